"""What an agent's command does, as far as its words show: for the console and for metrics.

Nothing is decided by it: an agent can hide any command from a reader of words, so this is never
asked whether something is allowed. It is no shell: `shlex` finds the words, tables know the common
programs, and what they do not know is `unknown`. A wrong guess costs a line on the console or some
milliseconds in the wrong column.
"""

import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from loop_kit.core.agent.category import Category

MAX_COMMAND = 10_000
"""Characters of a command that are looked at."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OPERATORS = "();<>|&\n"
_SHELLS = _words("bash sh zsh dash ksh ash fish")
_WINDOWS_SHELLS = _words("powershell pwsh cmd")
_SHOW_FILES = _words("cat less more tac head tail bat batcat nl sed get-content gc")
_FILTERS = _words("sort uniq cut tr awk jq column select select-object out-string measure-object")
_NO_FILES = _words("/dev/null /dev/stdout /dev/stderr /dev/tty nul $null -")
_PROGRAMS: Mapping[Category, frozenset[str]] = {
    "test": _words(
        "pytest py.test tox nox unittest jest vitest mocha ava ctest rspec phpunit bats"
    ),
    "edit": _words(
        "apply_patch applypatch patch tee mv cp rm rmdir mkdir touch ln chmod truncate unlink del"
        " copy move set-content add-content out-file new-item remove-item move-item copy-item"
    ),
    "search": _words("rg grep egrep fgrep ag ack find fd fdfind select-string sls findstr"),
    "read": _SHOW_FILES | _words("ls tree wc file stat type dir get-childitem gci"),
}
"""The strongest kind first."""
_LINES: Mapping[Category, re.Pattern[str]] = {
    "test": re.compile(
        r"""(?: (?:npm|pnpm|yarn|bun)\ (?:(?:run(?:-script)?\ )?tests?(?:[:_.-]\S*)?|t|jest|vitest)
        | (?:go|dotnet|swift|mix|deno|zig|flutter|dart|bazel|meson|composer|rails|hatch)\ test
        | cargo\ (?:\+\S+\ )?(?:test|t|nextest) | (?:python[\d.]*\ )?(?:\./)?manage\.py\ test
        | (?:make|just|rake|task)\ (?:.*\ )?(?:tests?|check)(?:[-_:.]\S*)? | node\ (?:.*\ )?--test
        | (?:mvn|gradle)w?\ (?:.*\ )?(?:\S*:)?(?:\w*[tT]est|check|verify) )(?!\S)""",
        re.VERBOSE | re.DOTALL,
    ),
    "edit": re.compile(r"git (?:apply|am|commit|add|mv|rm|revert|checkout --|restore)|find .*-del"),
    "search": re.compile(r"git grep"),
    "read": re.compile(r"git (?:show|diff|log|status|blame|ls-files|cat-file)"),
}
"""How a program and its arguments begin, without most options."""
_OPTIONS_WITH_VALUE = _words(
    "-C -c -f -w --prefix --workspace --filter --cwd --dir --git-dir --work-tree"
)
"""Options with a value before a subcommand."""
_IN_PLACE = re.compile(r"-[nErsuzplaw\d]*i.*|--in-place.*", re.DOTALL)

_NO_PROGRAM = re.compile(r"if|then|el(?:se|if)|while|until|do|!|[{}]|time|\w+=.*", re.DOTALL)
_PREFIXES = re.compile(
    r"(?:env|sudo|nice|nohup|timeout|stdbuf|exec|xargs|npx|bunx|uvx)(?!\S)|bundle exec|bun x"
    r"|(?:uv|poetry|pipenv|hatch|pdm|rye|pipx|coverage) run|(?:npm|pnpm|yarn) (?:exec|dlx)"
    r"|(?:python|pypy|py)[\d.]* -m"
)
"""What runs the rest of its words."""
_PREFIX_OPTIONS_WITH_VALUE = _words(
    "-u -g -C -s -I -d -p --signal --with --from --python --package"
)
"""Options of those with a value that is no number."""
_NO_COMMAND = re.compile(r"-.*|[\d.]+[smhd]?", re.DOTALL)

_ARGUMENT = r"""(?:'[^']*'|"[^"]*"|[^\s;&|'"]+)"""
_LEADING = re.compile(
    rf"cd\s+{_ARGUMENT}\s*(?:&&|;)\s*(?=\S)|env(?:\s+[A-Za-z_]\w*={_ARGUMENT})+\s+(?=\S)"
    r"|\[Console\]::OutputEncoding\s*=\s*\[System\.Text\.Encoding\]::UTF8;\s*"
)
"""What is not displayed before a command."""
_QUOTED_OPERATOR = re.compile(r"""(?<=\s)(['"])[();<>|&]+\1(?=\s)|\\[;<>|&]""")
_HEREDOC = re.compile(r"""<<-?[ \t]?(['"]?)([A-Za-z_]\w*)\1""")
_WINDOWS = re.compile(r"(?i)\b(?:[a-z]:\\|pwsh|powershell|cmd(?:\.exe)? /|(?:get|set)-\w|gc )")
_SHELL_SCRIPT = re.compile(r"-[a-z]*c[a-z]*")
_WINDOWS_SCRIPT = re.compile(r"(?i)-c(?:ommand)?|//?[ck]")
_NO_NAME = re.compile(r"[-+].*|\d+(?::\d*)?", re.DOTALL)


@dataclass(slots=True)
class _Step:
    """One simple command, without its redirections."""

    piped: bool = False
    """Its input is the output of the command before it, or a heredoc."""
    writes: bool = False
    words: list[str] = field(default_factory=list)

    def redirect(self, sign: str, file: str) -> None:
        self.piped = self.piped or "<<" in sign
        is_file = file.lower() not in _NO_FILES and not (sign == ">&" and file.isdigit())
        self.writes = self.writes or (">" in sign and is_file)


def unwrap(command: object) -> str:
    """What a stream calls a command (text, or a list of words) as one readable command.

    Without shells around it, a leading `env A=b` and `cd DIR &&`. Lines stay lines, nothing is made
    harmless. Anything but text or a list of words is ''.
    """
    if isinstance(command, list | tuple) and all(isinstance(word, str) for word in command):
        command = shlex.join(command)
    text = command[:MAX_COMMAND].strip() if isinstance(command, str) else ""
    for _ in range(10):
        leading = _LEADING.match(text)
        inner = text[leading.end() :] if leading else _script(_tokens(text))
        if not inner:
            break
        text = inner.strip()
    return text


def category(command: str, layers: int = 5) -> Category:
    """What kind of work `command` is; of several commands the strongest kind counts.

    Not counted: filters of another command's output, and what is inside more than `layers` shells.
    """
    found: set[Category] = set()
    for step in _steps(unwrap(command)):
        kind = _kind(step.words, layers)
        is_filter = kind in {"read", "search"} and step.piped and step.words[0] != "xargs"
        found |= {"unknown" if is_filter else kind, "edit" if step.writes else "unknown"}
    return next((kind for kind in _PROGRAMS if kind in found), "unknown")


def displayed_files(command: str) -> tuple[str, ...]:
    """The names of the files that `command` shows, or () when it does anything else as well."""
    found: list[str] = []
    for step in _steps(unwrap(command)):
        name, kind = _program(step.words), _kind(step.words, 0)
        if step.writes or kind == "edit":
            return ()
        filters = step.piped and (kind in {"read", "search"} or name in _FILTERS)
        if filters or name in {"echo", "printf"}:
            continue
        names = [word.strip(",") for word in step.words[1:] if not _NO_NAME.fullmatch(word)]
        names = names[1:] if name == "sed" else names
        unclear = any(file.endswith("$") or "`" in file for file in names)
        if name not in _SHOW_FILES or step.piped or not names or unclear:
            return ()
        found += names
    return tuple(dict.fromkeys(found))


def _kind(words: list[str], layers: int) -> Category:
    bare = _bare(words)
    if script := _script(bare):
        return category(script, layers - 1) if layers else "unknown"
    name = _program(bare)
    if name in {"sed", "perl"} and any(map(_IN_PLACE.fullmatch, bare[1:])):
        return "edit"
    arguments = (
        word
        for before, word in pairwise(bare)
        if word in {"--", "--test", "-delete"}
        or not (word.startswith("-") or before in _OPTIONS_WITH_VALUE)
    )
    line = " ".join((name, *arguments))
    kinds = (kind for kind in _PROGRAMS if name in _PROGRAMS[kind] or _LINES[kind].match(line))
    return next(kinds, "unknown")


def _tokens(text: str) -> list[str]:
    """Words and operators; a quote that nothing closes ends with the text."""
    for closing in ("", "'", '"'):
        lexer = shlex.shlex(text + closing, posix=True, punctuation_chars=_OPERATORS)
        lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
        if _WINDOWS.search(text):
            lexer.escape = ""
        with suppress(ValueError):
            return list(lexer)
    return text.split()


def _steps(text: str) -> list[_Step]:
    """The simple commands of `text`, in their order; without the bodies of heredocs."""
    steps, sign = [_Step()], ""
    for token in _tokens(_QUOTED_OPERATOR.sub("_", _without_bodies(text))):
        step, before, sign = steps[-1], sign, ""
        if token.strip(_OPERATORS) and token not in {"-exec", "-execdir"}:
            if before:
                step.redirect(before, token)
            else:
                step.words.append(token)
        elif "<" in token or ">" in token:
            sign = token
            if step.words[-1:] in (["1"], ["2"]):
                step.words.pop()
        else:
            piped = "|" in token and "||" not in token
            steps.append(_Step(piped or (step.piped and not step.words)))
    return [step for step in steps if step.words or step.writes]


def _without_bodies(text: str) -> str:
    """`text` without lines that are comments or the body of a heredoc."""
    lines, delimiter = [], ""
    for line in text.replace("\\\n", " ").split("\n"):
        if not delimiter and not line.lstrip().startswith("#"):
            lines.append(line)
            heredoc = _HEREDOC.search(line)
            delimiter = heredoc[2] if heredoc else ""
        elif line.strip() == delimiter:
            delimiter = ""
    return "\n".join(lines)


def _script(words: list[str]) -> str:
    """The script that the shell `words[0]` runs, '' for no shell or when other commands follow."""
    if not all(word.strip(_OPERATORS) for word in words):
        return ""
    name, at = _program(words), 1
    if name in _WINDOWS_SHELLS:
        found = (at for at, word in enumerate(words, 1) if _WINDOWS_SCRIPT.fullmatch(word))
        script = words[next(found, len(words)) :]
        return script[0] if len(script) == 1 else shlex.join(script)
    while name in _SHELLS and at < len(words) - 1 and words[at].startswith("-"):
        if _SHELL_SCRIPT.fullmatch(words[at]):
            return words[at + 1]
        at += 2 if words[at].endswith("o") else 1
    return ""


def _program(words: list[str]) -> str:
    """The name of a program in small letters, without its folder and the suffix of Windows."""
    name = words[0].replace("\\", "/").rpartition("/")[2].lower() if words else ""
    return re.sub(r"\.(?:exe|cmd|bat|ps1)$", "", name)


def _bare(words: list[str]) -> list[str]:
    """`words` without assignments, reserved words and programs that only run the rest."""
    at, prefixed = 0, False
    while at < len(words):
        prefix = _PREFIXES.match(" ".join((_program(words[at : at + 1]), *words[at + 1 : at + 2])))
        if _NO_PROGRAM.fullmatch(words[at]):
            at += 1
        elif prefixed and _NO_COMMAND.fullmatch(words[at]):
            at += 2 if words[at] in _PREFIX_OPTIONS_WITH_VALUE else 1
        elif prefix:
            at, prefixed = at + 1 + prefix[0].count(" "), True
        else:
            break
    return words[at:]
