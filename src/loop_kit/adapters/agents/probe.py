"""Looks at the agent programs on this machine: found, version, flags, key.

A program is asked for `--version` and for its help only, without any key and with its own folders
pointed at a scratch folder, so that looking changes nothing. A launcher that finds nothing there
(some version managers keep programs below XDG_DATA_HOME) is asked once more as it is.

Whether a program has a login of its own is for its own command to say: those go to the network or
write into its folders, so that the command is named and not run.
"""

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loop_kit.adapters.agents.catalogue import KnownProgram
from loop_kit.adapters.agents.command_line import on_path
from loop_kit.adapters.process import process
from loop_kit.core.agent.checkup import (
    Check,
    State,
    missing_flags,
    version_in,
    version_text,
)
from loop_kit.core.sanitize import one_line

PATIENCE = 10.0
_MAX_OUTPUT = 256 * 1024

_Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an agent program would be started with here.

    Attributes:
        plain: The environment that any agent sees, without keys.
        seen: The same with what the program of this check is given.
        exported: The user's whole environment; only names are taken from it.
        root: Where the program is started.
        patience: Seconds that it gets to answer a question.
    """

    plain: _Environment
    seen: _Environment
    exported: _Environment
    root: Path
    patience: float = PATIENCE


def look_at(known: KnownProgram, around: Surroundings) -> list[Check]:
    """One check per question, only the first when there is no program that answers."""
    program = on_path(known.name, around.plain)
    if not program:
        return [_absent(known, around.plain)]
    with tempfile.TemporaryDirectory(prefix="loop-kit-", ignore_cleanup_errors=True) as scratch:
        asked = _Program(known, program, around, Path(scratch))
        version = asked.version()
        if version.state is State.WRONG:
            return [version]
        return [version, asked.flags(), login(known, around.seen, around.exported)]


def _absent(known: KnownProgram, plain: _Environment) -> Check:
    for folder in plain.get("PATH", "").split(os.pathsep):
        file = Path(folder) / known.name
        if folder and os.path.isfile(file):  # noqa: PTH113  Path.is_file may raise
            return Check(known.name, State.WRONG, f"{file} is not executable", f"chmod +x {file}")
    return Check(known.name, State.MISSING, "not on PATH", known.install)


def login(known: KnownProgram, seen: _Environment, exported: _Environment) -> Check:
    """Whether a key reaches the program `known`, and what to type where none does.

    Args:
        known: Which program.
        seen: The environment that a loop gives it, with its keys.
        exported: The user's environment, to say which key does not reach it.
    """
    name = f"{known.name} login"
    key = next((key for key in _keys(known, seen) if seen.get(key)), None)
    if key:
        return Check(name, State.OK, f"by {key}")
    withheld = next((key for key in _keys(known, exported) if exported.get(key)), None)
    if withheld:
        detail = f"{withheld} is exported, but a loop does not hand it to {known.name}"
        return Check(name, State.WARN, detail, f"add to .loop/config.yaml: agent_env: [{withheld}]")
    if known.name == "codex" and exported.get("OPENAI_API_KEY"):
        detail = "OPENAI_API_KEY is exported, but codex reads CODEX_API_KEY"
        return Check(name, State.WARN, detail, 'export CODEX_API_KEY="$OPENAI_API_KEY"')
    own = next((key for key, setting in known.keys.items() if setting), None)
    detail = f"no {own or 'key of a provider'}; see its own login with: {known.login_status}"
    export = f", or: export {own}=..." if own else ""
    return Check(name, State.WARN, detail, f"{known.log_in}{export}")


def _keys(known: KnownProgram, names: Iterable[str]) -> Iterable[str]:
    """The variables with a key for `known`; where it has none of its own, those of providers."""
    return known.keys or [
        name
        for name in sorted(names)
        if name.endswith("_API_KEY") and not name.startswith(("CODEX_", "LOOP_", "INPUT_"))
    ]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a program printed; `problem` is a phrase when that is no answer."""

    text: str
    problem: str = ""


class _Program:
    def __init__(
        self, known: KnownProgram, program: str, around: Surroundings, scratch: Path
    ) -> None:
        self._known = known
        self._program = program
        self._around = around
        self._scratch = {home: str(scratch) for home in (*known.homes, *known.caches)}

    def version(self) -> Check:
        """Which version it is, and whether that is one that we know."""
        known = self._known
        answer = self._ask("--version")
        if answer.problem:
            return Check(known.name, State.WRONG, answer.problem, known.install)
        version = version_in(answer.text)
        if version is None:
            said = one_line(answer.text, 60) or "nothing"
            detail = f"of unknown version (it printed {said!r}), {self._program}"
            return Check(known.name, State.WARN, detail, known.install)
        detail = f"{version_text(version)}, {self._program}"
        if version < known.oldest:
            older = f"{version_text(version)} is older than {version_text(known.oldest)}"
            detail = f"{older}, {self._program}"
            return Check(known.name, State.WARN, detail, known.install)
        if version > known.checked:
            detail += (
                f" (newer than {version_text(known.checked)}, which loop-kit was checked with)"
            )
        return Check(known.name, State.OK, detail)

    def flags(self) -> Check:
        """Whether its help names every flag that a loop passes."""
        known, name = self._known, f"{self._known.name} flags"
        command = f"{known.name} {' '.join(known.help_args)}"
        answer = self._ask(*known.help_args)
        if answer.problem:
            return Check(name, State.WARN, answer.problem, known.install)
        absent = missing_flags(known.flags, answer.text)
        if absent:
            detail = f"`{command}` does not name {', '.join(absent)}"
            return Check(name, State.WRONG, detail, known.install)
        return Check(name, State.OK, f"all {len(known.flags)} that loop-kit passes")

    def _ask(self, *args: str) -> _Answer:
        answer = self._run(args, self._scratch)
        if answer.problem.startswith(_ENDED):
            return self._run(args, {})
        return answer

    def _run(self, args: Sequence[str], homes: _Environment) -> _Answer:
        command = f"`{' '.join((self._known.name, *args))}`"
        around = self._around
        heard = _Heard()
        try:
            ended = process.stream(
                [self._program, *args],
                cwd=around.root,
                env={**around.plain, **self._known.extra, **homes},
                stdin=b"",
                listener=heard,
                timeout=around.patience,
                grace=1,
            )
        except OSError as error:
            return _Answer("", f"{self._program} cannot be started: {error.strerror}")
        if ended.timed_out:
            return _Answer("", f"{command} did not end within {around.patience:g} s")
        if ended.exit_code:
            last = heard.text.strip().splitlines()[-1:]
            said = "".join(f": {one_line(line, 120)}" for line in last)
            return _Answer("", f"{_ENDED} {ended.exit_code} from {command}{said}")
        return _Answer(heard.text)


_ENDED = "exit code"


class _Heard(process.Listener):
    """The beginning of what a program prints, standard output before standard error."""

    def __init__(self) -> None:
        self._kept = {"stdout": b"", "stderr": b""}

    def chunk(self, source: process.Source, data: bytes) -> None:
        """Keep what there is room for."""
        room = _MAX_OUTPUT - len(self._kept[source])
        self._kept[source] += data[: max(0, room)]

    @property
    def text(self) -> str:
        """All that was kept."""
        both = b"\n".join(filter(None, self._kept.values()))
        return both.decode("utf-8", "replace")
