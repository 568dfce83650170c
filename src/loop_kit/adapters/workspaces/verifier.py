"""Runs verify commands in a fresh clone, without secrets, each in a box of its own."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from loop_kit.adapters.process import process
from loop_kit.adapters.workspaces.shell import Box, Tail, namespace_box, run_shell
from loop_kit.adapters.workspaces.workplace import Workplace
from loop_kit.core.loop.state import CommandResult, Verification
from loop_kit.core.text.own_paths import without_folders
from loop_kit.ports import SetupFailed

VerifyLog = Callable[[str, str], Callable[[bytes], None]]
"""Takes a commit and a command, and then what that prints; b"" is the end of it."""


class _LoggedTail(Tail):
    def __init__(self, log: Callable[[bytes], None]) -> None:
        super().__init__()
        self._log = log

    def chunk(self, source: process.Source, data: bytes) -> None:
        super().chunk(source, data)
        self._log(data)


class CloneVerifier:
    """Runs verify commands in a fresh clone, without secrets, and kills what they leave behind."""

    def __init__(
        self,
        workplace: Workplace,
        environment: Mapping[str, str],
        box: Box = namespace_box,
        kept: Callable[[], AbstractContextManager[None]] = nullcontext,
        log: VerifyLog = lambda _sha, _command: lambda _data: None,
    ) -> None:
        """Each command runs in a `box`; `kept` is entered meanwhile; `log` takes its output."""
        self._log = log
        self._workplace = workplace
        self._environment = environment
        self._kept = kept
        self._box = box

    def verify(self, sha: str, commands: Sequence[str], timeout: float) -> Verification:
        """Run `commands` one after the other, up to the first that fails; `timeout` is for all.

        Raises:
            SetupFailed: no workspace can be prepared, or the commands would test other code.
        """
        end = time.monotonic() + timeout
        results: list[CommandResult] = []
        preparation = self._workplace.preparation
        with self._workplace.fresh(sha) as path:
            failure = preparation.failure(sha)
            if failure is not None and commands:
                return _unprepared(sha, commands[0], failure)
            own = preparation.environment(path, sha, trusts_work=True)
            env = {**self._environment, **own}
            preparation.check_commands(commands, env)
            for command in commands:
                log, left = self._log(sha, command), max(1.0, end - time.monotonic())
                results.append(self._run(path, env, command, left, log))
                if results[-1].exit_code:
                    break
        return Verification(sha=sha, results=tuple(results))

    def _run(
        self,
        path: Path,
        env: Mapping[str, str],
        command: str,
        timeout: float,
        log: Callable[[bytes], None],
    ) -> CommandResult:
        from loop_kit.adapters.workspaces.junit_reports import JUnitReports
        from loop_kit.core.checks.junit import failing_words

        tail, reports = _LoggedTail(log), JUnitReports(path, command)
        started = time.monotonic()
        with self._kept():
            ended = run_shell(command, path, env, tail, timeout, self._box)
        log(b"")
        text = without_folders(tail.text, (str(path),))
        if ended.timed_out:
            text += f"\n[timed out after {timeout:.0f} s (--verify-timeout)]"
        if ended.exit_code:
            text = failing_words(reports.failing_tests()) + text
        return CommandResult(
            command=command,
            exit_code=124 if ended.timed_out else ended.exit_code,
            tail=text,
            seconds=round(time.monotonic() - started, 3),
        )


def _unprepared(sha: str, command: str, failure: SetupFailed) -> Verification:
    """The result at a commit for which no workspace can be prepared: its author has to fix it."""
    printed = failure.result.tail if failure.result else ""
    result = CommandResult(command=command, exit_code=1, tail=f"{failure.sentence}\n{printed}")
    return Verification(sha=sha, results=(result,))
