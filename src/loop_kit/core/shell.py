"""What an agent's command does, as far as its words tell: for the console and for metrics.

Nothing is decided by it: an agent can hide any command from a reader of words, so this is never
asked whether something is allowed. What is not known is `unknown`; a wrong guess costs a line on
the console or some milliseconds in the wrong column.
"""

import re
from collections.abc import Mapping
from typing import Literal, get_args

from loop_kit.core.shell_syntax import Step, Token, steps, tokens
from loop_kit.core.shell_wrappers import PYTHON, SHELLS, after_prefix, bare, program, script_at

Category = Literal["read", "search", "edit", "test", "unknown"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
MAX_COMMAND = 10_000
"""Characters of a command that are looked at."""

_LAYERS = 5
_STRONGEST: tuple[Category, ...] = ("test", "edit", "search", "read")
_NEEDS_QUOTES = re.compile(r"[^\w@%+=:,./\\-]", re.ASCII)
_POWERSHELL_PREAMBLE = re.compile(
    r"\[Console\]::OutputEncoding\s*=\s*\[System\.Text\.Encoding\]::UTF8;\s*"
)

_TESTS = frozenset(
    {
        *("pytest", "py.test", "tox", "nox", "unittest", "nose2", "nosetests", "jest", "vitest"),
        *("mocha", "ava", "karma", "ctest", "rspec", "phpunit", "pest", "bats", "cargo-nextest"),
    }
)
_TEST_VERB = re.compile(r"test")
_TEST_SCRIPT = re.compile(r"run(?:-script)? test.*|(?:test[:_.-].*|test|t|jest|vitest)(?: .*)?")
_TEST_VERBS: Mapping[str, re.Pattern[str]] = {
    **dict.fromkeys(("npm", "pnpm", "yarn", "bun"), _TEST_SCRIPT),
    **dict.fromkeys(("go", "dotnet", "swift", "mix", "deno", "zig", "flutter"), _TEST_VERB),
    **dict.fromkeys(("dart", "bazel", "meson", "composer", "rails", "hatch"), _TEST_VERB),
    "cargo": re.compile(r"(?:\+\S+ )?(?:test|t|nextest)(?: .*)?"),
    "python": re.compile(r"(?:\S*/)?manage\.py test"),
    "manage.py": _TEST_VERB,
}
"""What the first two words after the options must be for these programs to run tests."""
_TARGET = re.compile(r"(?:tests?|check)(?:[-_:.].*)?", re.DOTALL)
_JAVA_TARGET = re.compile(r"(?:[^:]*:)*(?:\w*[tT]est|check|verify)")
_TEST_TARGETS: Mapping[str, re.Pattern[str]] = {
    **dict.fromkeys(("make", "gmake", "just", "rake", "task"), _TARGET),
    **dict.fromkeys(("mvn", "mvnw", "gradle", "gradlew"), _JAVA_TARGET),
}
"""What any word must be for these programs to run tests."""
_PLACES = frozenset(
    {
        *("-C", "-c", "-f", "-w", "--prefix", "--workspace", "--filter", "--cwd", "--dir"),
        *("--git-dir", "--work-tree", "--directory", "--manifest-path"),
    }
)
"""Options with a value that stand before a subcommand."""

_EDITORS = frozenset(
    {
        *("apply_patch", "applypatch", "tee", "mv", "cp", "rm", "rmdir", "mkdir", "touch", "patch"),
        *("ln", "chmod", "truncate", "unlink", "set-content", "add-content", "out-file"),
        *("new-item", "remove-item", "move-item", "copy-item", "rename-item", "tee-object"),
        *("del", "erase", "copy", "move", "ren", "md"),
    }
)
_SEARCHERS = frozenset(
    {
        *("rg", "ripgrep", "grep", "egrep", "fgrep", "zgrep", "ag", "ack", "find", "fd", "fdfind"),
        *("select-string", "sls", "findstr"),
    }
)
_READERS = frozenset(
    {
        *("cat", "head", "tail", "less", "more", "nl", "tac", "bat", "batcat", "ls", "tree"),
        *("wc", "file", "stat", "get-content", "gc", "type", "dir", "get-childitem", "gci"),
    }
)
_GIT: Mapping[str, Category] = {
    **dict.fromkeys(("apply", "am", "commit", "add", "mv", "rm", "restore", "revert"), "edit"),
    **dict.fromkeys(("show", "diff", "log", "status", "blame", "ls-files", "cat-file"), "read"),
    "cherry-pick": "edit",
    "grep": "search",
}
_GIT_LOG_SEARCH = re.compile(r"-[SG].*|--grep(?:=.*)?", re.DOTALL)
_IN_PLACE: Mapping[str, re.Pattern[str]] = {
    "sed": re.compile(r"-[nErsuz]*i.*|--in-place.*", re.DOTALL),
    "perl": re.compile(r"-[pnlaw\d]*i.*", re.DOTALL),
}
_FIND_RUNS = frozenset({"-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec"})

_CONTENT_OPTION = re.compile(r"-(?!raw$|wait$|force$).*", re.IGNORECASE | re.DOTALL)
_CONTENT_PATH = re.compile(r"-(?:literal|ps)?path|-lp", re.IGNORECASE)
_SED_SCRIPT = re.compile(r"-[nErsuz]*[ef]|--expression|--file")
_LINES = re.compile(r"-[nc]|--lines|--bytes")
_NO_OPTION = re.compile(r"(?!)")
_SHOW_FILES: Mapping[str, re.Pattern[str]] = {
    **dict.fromkeys(("cat", "less", "more", "tac"), _NO_OPTION),
    **dict.fromkeys(("head", "tail"), _LINES),
    **dict.fromkeys(("get-content", "gc"), _CONTENT_OPTION),
    **dict.fromkeys(("bat", "batcat"), re.compile(r"-[rlH]|--(?:line-range|language|style)")),
    "nl": re.compile(r"-[bdfhilnsvw]"),
    "sed": _SED_SCRIPT,
}
"""Programs that show the files they are given, with their options that take a value."""
_FILTERS = frozenset(
    {
        *("head", "tail", "grep", "egrep", "rg", "sed", "nl", "cat", "less", "more", "wc", "sort"),
        *("uniq", "cut", "tr", "awk", "jq", "column", "fold", "rev", "tac", "bat", "findstr"),
        *("select-object", "select", "select-string", "sls", "out-string", "out-host"),
        *("measure-object", "sort-object"),
    }
)


def unwrapped(command: object) -> str:
    """What a stream calls a command (text, or a list of words) as one readable command.

    The shells around it are gone, also nested ones, and so are a leading `env A=b` and `cd DIR &&`.
    Lines stay lines; nothing is made harmless. Anything but text or a list of words is ''.
    """
    text = _text(command)[:MAX_COMMAND].replace("\r\n", "\n").strip()
    for _ in range(2 * _LAYERS):
        text = _POWERSHELL_PREAMBLE.sub("", text, count=1) if text.startswith("[") else text
        inner = _inner(text)
        if not inner:
            break
        text = inner
    return text


def category(command: str) -> Category:
    """What kind of work `command` is; of several commands the strongest kind counts.

    What only filters the output of the command before it does not count.
    """
    return _category(command, _LAYERS)


def files_read(command: str) -> tuple[str, ...]:
    """The names of the files that `command` shows, or () when it does anything else as well."""
    found: dict[str, None] = {}
    for step in steps(unwrapped(command)):
        words = bare(step.words)
        name = program(words[0]) if words else ""
        if step.writes or step.fed or _changes_in_place(name, words):
            return ()
        if name in {"echo", "printf"} or (step.piped and name in _FILTERS):
            continue
        names = (_shown(name, words) or step.inputs) if name in _SHOW_FILES else ()
        if step.piped or not names or any("$(" in file or "`" in file for file in names):
            return ()
        found |= dict.fromkeys(names)
    return tuple(found)


def _text(command: object) -> str:
    if isinstance(command, str):
        return command
    if not isinstance(command, list | tuple):
        return ""
    line = ""
    for word in command:
        if not isinstance(word, str):
            return ""
        line += f" {_quoted(word[:MAX_COMMAND])}"
        if len(line) > MAX_COMMAND:
            break
    return line[1:]


def _quoted(word: str) -> str:
    if word and not _NEEDS_QUOTES.search(word):
        return word
    return "'" + word.replace("'", "'\"'\"'") + "'"


def _inner(text: str) -> str:
    """`text` without its outermost wrapper, or '' when there is none."""
    words: list[Token] = []
    after: Token | None = None
    for token in tokens(text):
        if token.is_operator:
            after = token
            break
        words.append(token)
    if not words:
        return ""
    plain = [word.text for word in words]
    name = program(plain[0])
    if name == "cd" and after and after.text in {"&&", ";"}:
        return text[after.end :].strip()
    at = after_prefix(plain) if name == "env" else script_at(plain)
    if at >= len(words) or (after and name != "env"):
        return ""
    whole = name != "env" and (name in SHELLS or at == len(words) - 1)
    return (plain[at] if whole else text[words[at].start :]).strip()


def _category(text: str, layers: int) -> Category:
    found: set[Category] = set()
    for step in steps(unwrapped(text)):
        kind = _kind_of_step(step, layers)
        filters = step.piped and step.words[:1] != ("xargs",)
        if not (filters and kind in {"read", "search"}):
            found.add(kind)
    return _strongest(found)


def _strongest(kinds: set[Category]) -> Category:
    return next((kind for kind in _STRONGEST if kind in kinds), "unknown")


def _kind_of_step(step: Step, layers: int) -> Category:
    kind = _kind(bare(step.words), layers)
    if step.fed and kind in {"read", "search"}:
        kind = "unknown"
    return _strongest({kind, "edit"}) if step.writes else kind


def _kind(words: tuple[str, ...], layers: int) -> Category:
    if not words:
        return "unknown"
    name = program(words[0])
    script = words[script_at(words) :]
    if script:
        text = script[0] if name in SHELLS else " ".join(script)
        return _category(text, layers - 1) if layers else "unknown"
    if _is_test(name, words):
        return "test"
    if name == "git":
        return _kind_of_git(words)
    if name in {"find", "fd", "fdfind"}:
        return _kind_of_find(words, layers)
    return _kind_of_program(name, words)


def _kind_of_program(name: str, words: tuple[str, ...]) -> Category:
    if name in _EDITORS or _changes_in_place(name, words):
        return "edit"
    if name in _SEARCHERS:
        return "search"
    return "read" if name in _READERS or name == "sed" else "unknown"


def _changes_in_place(name: str, words: tuple[str, ...]) -> bool:
    option = _IN_PLACE.get(name, _NO_OPTION)
    return any(map(option.fullmatch, words[1:]))


def _is_test(name: str, words: tuple[str, ...]) -> bool:
    if name in _TESTS or (name == "node" and "--test" in words):
        return True
    if target := _TEST_TARGETS.get(name):
        return any(map(target.fullmatch, _arguments(words)))
    verb = _TEST_VERBS.get("python" if PYTHON.fullmatch(name) else name)
    said = _arguments(words)[:2]
    # A verb is the first word, or the first two.
    return verb is not None and any(
        verb.fullmatch(" ".join(said[:count])) is not None for count in (1, 2)
    )


def _arguments(words: tuple[str, ...]) -> list[str]:
    """What is no option and no value of one that may stand before a subcommand."""
    found: list[str] = []
    at = 1
    while at < len(words):
        if not words[at].startswith("-"):
            found.append(words[at])
        at += 2 if words[at] in _PLACES and not found else 1
    return found


def _kind_of_git(words: tuple[str, ...]) -> Category:
    verb = next(iter(_arguments(words)), "")
    if verb == "checkout":
        return "edit" if "--" in words else "unknown"
    if verb == "log" and any(map(_GIT_LOG_SEARCH.fullmatch, words)):
        return "search"
    return _GIT.get(verb, "unknown")


def _kind_of_find(words: tuple[str, ...], layers: int) -> Category:
    kinds: set[Category] = {"search"}
    if "-delete" in words:
        kinds.add("edit")
    runs = next((at for at, word in enumerate(words) if word in _FIND_RUNS), len(words))
    if layers:
        kinds.add(_kind(bare(words[runs + 1 :]), layers - 1))
    return _strongest(kinds)


def _shown(name: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """The files among the arguments of a program that shows files."""
    powershell = _SHOW_FILES[name] is _CONTENT_OPTION
    scripted = name != "sed"
    found: list[str] = []
    at = 1
    while at < len(words):
        word, step = words[at], 1
        if powershell and _CONTENT_PATH.fullmatch(word):
            step = 1
        elif _SHOW_FILES[name].fullmatch(word):
            step, scripted = 2, True
        elif word[:1] not in {"-", "+"}:
            found.append(word)
        elif name == "sed" and word.startswith(("--expression=", "--file=")):
            scripted = True
        at += step
    if powershell:
        found = [part.strip() for word in found for part in word.split(",") if part.strip()]
    return tuple(found if scripted else found[1:])
