"""Checks the agent programs on this machine: presence, version, flags, key.

A program is run only for `--version` and for its help, without any key and with its own folders
pointed at a scratch folder, so that a check changes nothing. A launcher that finds nothing there
(some version managers keep programs below XDG_DATA_HOME) is run once more with its real folders.

Whether a program has a login of its own only its own command can check. That command goes to the
network or writes into its folders, so it is named and not run.
"""

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from loop_kit.adapters.agents.catalogue import KnownProgram
from loop_kit.adapters.agents.command_line import on_path
from loop_kit.adapters.process import process
from loop_kit.core.agent.checkup import Check, CheckState, missing_flags, version_in, version_text
from loop_kit.core.text.sanitize import one_line
from loop_kit.frozen import frozen

DEFAULT_TIMEOUT = 10.0
_MAX_OUTPUT = 256 * 1024

_Environment = Mapping[str, str]


@frozen
class Surroundings:
    """The environment that an agent program would be started with.

    Attributes:
        plain: The environment that any agent sees, without keys.
        seen: The same with the keys for the program of this check.
        exported: The user's whole environment; only names are taken from it.
        root: Where the program is started.
        timeout: Seconds that it gets to answer a query.
    """

    plain: _Environment
    seen: _Environment
    exported: _Environment
    root: Path
    timeout: float = DEFAULT_TIMEOUT


def probe(known: KnownProgram, around: Surroundings) -> list[Check]:
    """The checks of one program; only the first if it is missing or does not answer."""
    program = on_path(known.name, around.plain)
    if not program:
        return [_absent(known, around.plain)]
    with tempfile.TemporaryDirectory(prefix="loop-kit-", ignore_cleanup_errors=True) as scratch:
        queried = _Program(known, program, around, Path(scratch))
        version = queried.version()
        if version.state is CheckState.WRONG:
            return [version]
        return [version, queried.flags(), login(known, around.seen, around.exported)]


def _absent(known: KnownProgram, plain: _Environment) -> Check:
    for folder in plain.get("PATH", "").split(os.pathsep):
        file = Path(folder) / known.name
        if folder and os.path.isfile(file):  # noqa: PTH113  Path.is_file may raise
            return Check(
                known.name, CheckState.WRONG, f"{file} is not executable", f"chmod +x {file}"
            )
    return Check(known.name, CheckState.MISSING, "not on PATH", known.install)


def login(known: KnownProgram, seen: _Environment, exported: _Environment) -> Check:
    """Whether a key reaches the program `known`, and the remedy if none does.

    Args:
        known: Which program.
        seen: The environment that a loop gives it, with its keys.
        exported: The user's environment, to find keys that do not reach it.
    """
    name = f"{known.name} login"
    key = next((key for key in _keys(known, seen) if seen.get(key)), None)
    if key:
        return Check(name, CheckState.OK, f"by {key}")
    withheld = next((key for key in _keys(known, exported) if exported.get(key)), None)
    if withheld:
        detail = f"{withheld} is exported, but a loop does not hand it to {known.name}"
        return Check(
            name, CheckState.WARN, detail, f"add to .loop/config.yaml: agent_env: [{withheld}]"
        )
    if known.name == "codex" and exported.get("OPENAI_API_KEY"):
        detail = "OPENAI_API_KEY is exported, but codex reads CODEX_API_KEY"
        return Check(name, CheckState.WARN, detail, 'export CODEX_API_KEY="$OPENAI_API_KEY"')
    own = next((key for key, setting in known.keys.items() if setting), None)
    detail = f"no {own or 'key of a provider'}; see its own login with: {known.login_status}"
    export = f", or: export {own}=..." if own else ""
    return Check(name, CheckState.WARN, detail, f"{known.log_in}{export}")


def _keys(known: KnownProgram, names: Iterable[str]) -> Iterable[str]:
    """The variables with a key for `known`; if it has none of its own, those of providers."""
    return known.keys or [
        name
        for name in sorted(names)
        if name.endswith("_API_KEY") and not name.startswith(("CODEX_", "LOOP_", "INPUT_"))
    ]


@frozen
class _Answer:
    """The output of a program; `problem` is a phrase if that is no answer."""

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
        """Its version, and whether that is one that loop-kit was checked with."""
        known = self._known
        answer = self._query("--version")
        if answer.problem:
            return Check(known.name, CheckState.WRONG, answer.problem, known.install)
        version = version_in(answer.text)
        if version is None:
            text = one_line(answer.text, 60) or "nothing"
            detail = f"of unknown version (it printed {text!r}), {self._program}"
            return Check(known.name, CheckState.WARN, detail, known.install)
        detail = f"{version_text(version)}, {self._program}"
        if version < known.oldest:
            older = f"{version_text(version)} is older than {version_text(known.oldest)}"
            detail = f"{older}, {self._program}"
            return Check(known.name, CheckState.WARN, detail, known.install)
        if version > known.checked:
            detail += (
                f" (newer than {version_text(known.checked)}, which loop-kit was checked with)"
            )
        return Check(known.name, CheckState.OK, detail)

    def flags(self) -> Check:
        """Whether its help names every flag that a loop passes."""
        known, name = self._known, f"{self._known.name} flags"
        command = f"{known.name} {' '.join(known.help_args)}"
        answer = self._query(*known.help_args)
        if answer.problem:
            return Check(name, CheckState.WARN, answer.problem, known.install)
        absent = missing_flags(known.flags, answer.text)
        if absent:
            detail = f"`{command}` does not name {', '.join(absent)}"
            return Check(name, CheckState.WRONG, detail, known.install)
        return Check(name, CheckState.OK, f"all {len(known.flags)} that loop-kit passes")

    def _query(self, *args: str) -> _Answer:
        answer = self._run(args, self._scratch)
        if answer.problem.startswith(_ENDED):
            return self._run(args, {})
        return answer

    def _run(self, args: Sequence[str], homes: _Environment) -> _Answer:
        command = f"`{' '.join((self._known.name, *args))}`"
        around = self._around
        output = _Output()
        try:
            ended = process.stream(
                [self._program, *args],
                cwd=around.root,
                env={**around.plain, **self._known.extra, **homes},
                stdin=b"",
                listener=output,
                timeout=around.timeout,
                grace=1,
            )
        except OSError as error:
            return _Answer("", f"{self._program} cannot be started: {error.strerror}")
        if ended.timed_out:
            return _Answer("", f"{command} did not end within {around.timeout:g} s")
        if ended.exit_code:
            last = output.text.strip().splitlines()[-1:]
            text = "".join(f": {one_line(line, 120)}" for line in last)
            return _Answer("", f"{_ENDED} {ended.exit_code} from {command}{text}")
        return _Answer(output.text)


_ENDED = "exit code"


class _Output(process.Listener):
    """The beginning of what a program prints, standard output before standard error."""

    def __init__(self) -> None:
        self._buffers = {"stdout": b"", "stderr": b""}

    def chunk(self, source: process.Source, data: bytes) -> None:
        """Keep as much as fits."""
        room = _MAX_OUTPUT - len(self._buffers[source])
        self._buffers[source] += data[: max(0, room)]

    @property
    def text(self) -> str:
        """The buffered output."""
        both = b"\n".join(filter(None, self._buffers.values()))
        return both.decode("utf-8", "replace")
