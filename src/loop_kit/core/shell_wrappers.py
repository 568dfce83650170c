"""What stands before the command that is meant: shells, `env A=b`, `timeout 60`, `uv run`.

Agents rarely run a command bare: codex hands each to `bash -lc`, people's habits add the rest. Who
asks what a command does wants to look behind all of it.
"""

import re
from collections.abc import Callable, Mapping, Sequence

SHELLS = frozenset({"bash", "sh", "zsh", "dash", "ksh", "ash", "fish"})
PYTHON = re.compile(r"(?:python|pypy)[\d.]*w?|py|coverage")

_NONE: frozenset[str] = frozenset()
_SUFFIX = re.compile(r"\.(?:exe|cmd|bat|ps1)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=.*", re.DOTALL)
_RESERVED = frozenset(
    {*("if", "then", "elif", "else", "while", "until", "do", "!", "{", "}"), "time"}
)

_SHELL_SCRIPT = re.compile(r"-[a-z]*c[a-z]*")
_SHELL_VALUED = re.compile(r"[-+][a-z]*[oO]|--rcfile|--init-file")
_POWERSHELL_SCRIPT = re.compile(r"[-/]c(?:o(?:m(?:m(?:a(?:n(?:d)?)?)?)?)?)?", re.IGNORECASE)
_POWERSHELL_VALUED = re.compile(
    r"-(?:ex\w*|ep|outputformat|inputformat|windowstyle|w|version|configurationname"
    r"|workingdirectory|wd)",
    re.IGNORECASE,
)
_CMD_SCRIPT = re.compile(r"//?[ck]", re.IGNORECASE)

_PREFIXES: Mapping[str, frozenset[str]] = {
    "env": frozenset({"-u", "-C", "--unset", "--chdir"}),
    "sudo": frozenset({"-u", "-g", "-C", "-D"}),
    "nice": frozenset({"-n"}),
    "nohup": _NONE,
    "timeout": frozenset({"-s", "-k", "--signal", "--kill-after"}),
    "stdbuf": frozenset({"-i", "-o", "-e"}),
    "command": _NONE,
    "builtin": _NONE,
    "exec": frozenset({"-a"}),
    "xargs": frozenset({"-n", "-I", "-P", "-L", "-d", "-s", "-a", "-E"}),
    "npx": frozenset({"-p", "--package"}),
    "bunx": _NONE,
    "uvx": frozenset({"--with", "--from", "-p", "--python"}),
}
"""Programs that run the rest of their words, with their options that take a value."""
_RUN = frozenset({"run"})
_EXECUTE = frozenset({"exec", "x", "dlx"})
_RUNNERS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("uv", "poetry", "pipenv", "hatch", "pdm", "rye", "pipx"), _RUN),
    **dict.fromkeys(("npm", "pnpm", "yarn", "bun", "bundle"), _EXECUTE),
}
"""Programs of which these subcommands run the rest of their words."""
_RUNNER_VALUED = frozenset(
    {
        *("--with", "--python", "-p", "--extra", "--group", "--package", "--project"),
        *("--directory", "-C", "--cwd", "--filter", "-e", "--env"),
    }
)


def program(word: str) -> str:
    """The name of a program in small letters, without its folder and the suffix of Windows."""
    name = word.replace("\\", "/").rpartition("/")[2].lower()
    return name[:-4] if _SUFFIX.fullmatch(name[-4:]) else name


def script_at(words: Sequence[str]) -> int:
    """Where the command begins that the shell `words[0]` is given; their number for no shell."""
    name = program(words[0])
    if name in SHELLS:
        return _after_shell(words)
    if name in {"powershell", "pwsh"}:
        return _after_powershell(words)
    if name == "cmd":
        found = (at + 1 for at, word in enumerate(words) if _CMD_SCRIPT.fullmatch(word))
        return next(found, len(words))
    return len(words)


def _after_shell(words: Sequence[str]) -> int:
    given, at = False, 1
    while at < len(words) and words[at][:1] in {"-", "+"}:
        given = given or _SHELL_SCRIPT.fullmatch(words[at]) is not None
        at += 2 if _SHELL_VALUED.fullmatch(words[at]) else 1
    return at if given else len(words)


def _after_powershell(words: Sequence[str]) -> int:
    at = 1
    while at < len(words) and words[at][:1] in {"-", "/"}:
        if _POWERSHELL_SCRIPT.fullmatch(words[at]):
            return at + 1
        at += 2 if _POWERSHELL_VALUED.fullmatch(words[at]) else 1
    return len(words)


def after_prefix(words: Sequence[str]) -> int:
    """Where the words begin that the program `words[0]` runs; 0 when it runs none of its words."""
    name = program(words[0])
    if name not in _PREFIXES or (name == "command" and set(words[1:2]) & {"-v", "-V"}):
        return 0
    at = _after_options(words, _PREFIXES[name])
    if name == "timeout":
        return at + 1
    while at < len(words) and name == "env" and _ASSIGNMENT.fullmatch(words[at]):
        at += 1
    return at


def bare(words: tuple[str, ...]) -> tuple[str, ...]:
    """`words` without assignments, reserved words and programs that only run the rest."""
    strips: tuple[Callable[[Sequence[str]], int], ...] = (
        _after_reserved,
        after_prefix,
        _after_runner,
        _after_python,
    )
    start, found = 0, True
    while found and start < len(words):
        window = words[start : start + _WINDOW]
        moves = next(filter(None, (strip(window) for strip in strips)), 0)
        start, found = start + moves, moves > 0
    return words[start:]


_WINDOW = 100
"""Words at a time, so that thousands of prefixes cost no square of their number."""


def _after_reserved(words: Sequence[str]) -> int:
    return int(words[0] in _RESERVED or _ASSIGNMENT.fullmatch(words[0]) is not None)


def _after_runner(words: Sequence[str]) -> int:
    verbs = _RUNNERS.get(program(words[0]), _NONE)
    runs = len(words) > 1 and words[1] in verbs
    return 1 + _after_options(words[1:], _RUNNER_VALUED) if runs else 0


def _after_python(words: Sequence[str]) -> int:
    """Behind `python -m`, or 0."""
    if not PYTHON.fullmatch(program(words[0])):
        return 0
    at = 2 if words[1:2] == ("run",) else 1
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "-m":
            return at + 1
        at += 2 if words[at] in {"-W", "-X"} else 1
    return 0


def _after_options(words: Sequence[str], valued: frozenset[str]) -> int:
    at = 1
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "--":
            return at + 1
        at += 2 if words[at] in valued else 1
    return at
