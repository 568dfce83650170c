"""The thin face towards GitHub Actions: event and inputs in, the same engine, outputs out."""

import sys
from collections.abc import MutableMapping

from loop_kit.adapters.runner.log import ActionsLog
from loop_kit.errors import ExitCode, LoopError, disk_refusal
from loop_kit.settings import read_fail_on


def run_action(environ_of_process: MutableMapping[str, str]) -> ExitCode:
    """Run one round; the exit code follows from `fail-on` alone.

    What is secret leaves the environment of this process before anything else happens.
    """
    from loop_kit.actions.invocation import run_round
    from loop_kit.adapters.process.own_process import close_own_process
    from loop_kit.core.loop.outbox import is_pull_request_missing

    environ = close_own_process(environ_of_process)
    log = ActionsLog(sys.stdout)
    try:
        state = run_round(environ, log)
    except LoopError as error:
        log.fail(f"{error} {error.page}")
        return ExitCode.OK if read_fail_on(environ) == "never" else error.exit_code
    except OSError as error:
        refused = disk_refusal(error)
        if refused is None:
            raise
        log.fail(f"{refused} {refused.page}")
        return ExitCode.OK if read_fail_on(environ) == "never" else refused.exit_code
    finally:
        log.close()
    if state is None or state.outcome is None:
        return ExitCode.OK
    if is_pull_request_missing(state):
        log.fail(
            "The loop is approved, but its pull request could not be opened. Run this job again, or"
            " wait for the sweep."
        )
        return _exit_code(ExitCode.REFUSED, read_fail_on(environ))
    return _exit_code(state.exit_code, read_fail_on(environ))


def _exit_code(code: ExitCode, fail_on: str) -> ExitCode:
    tolerated = {"never": set(ExitCode), "failed": {ExitCode.NEEDS_PERSON}}.get(fail_on, set())
    return ExitCode.OK if code in tolerated else code
