"""The command `loop`. Nothing heavy is imported before a command needs it."""

import atexit
import errno
import gc
import os
import sys
from typing import NoReturn

from loop_kit import __version__
from loop_kit.cli.error_text import print_error
from loop_kit.cli.late_metadata import postpone_metadata
from loop_kit.cli.light_pydantic import lighten_pydantic
from loop_kit.cli.streams import StandardStreams
from loop_kit.errors import ExitCode, LoopError, disk_refusal

_PROGRESS = (["run"], ["demo"], ["action"], ["heartbeat"])
"""The commands whose output is what happens meanwhile, and not their result."""

_OBJECTS_OF_MODULES = 100_000
"""How many new objects make Python look for unused cycles: more than loading the modules makes.

All of those stay, so that looking through them again and again is a tenth of a short run.
"""

_ROOM_FOR_CALLS = 34_000
"""The size of the frame below all others, in values. Python adds 16 KB to the stack of its frames
where it is full and gives them back on return, again and again in a loop that calls there: eight
hundred times in a run of one round. After a large frame it has room for all.
"""


def main() -> NoReturn:
    """Run a command; a known error, an interruption and a bug look different."""
    # Looking for pydantic plug-ins reads every installed package: 20 ms for nothing.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    postpone_metadata()
    lighten_pydantic()
    gc.set_threshold(_OBJECTS_OF_MODULES)
    streams = StandardStreams.install()
    code = _run()
    lost = streams.lost()
    if lost is not None:
        code = _report_lost(lost, code, is_result=sys.argv[1:2] not in _PROGRESS)
    _end(code)


def _end(code: int) -> NoReturn:
    """End as Python does, but for taking its modules apart, which is a twentieth of a short run.

    No thread is waited for: each is a daemon.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 - nothing public runs them.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _run() -> int:
    """Run the command of this process; its exit code."""
    try:
        from loop_kit.cli.program import program

        program(sys.argv[1:])()
    except SystemExit as ended:
        return int(ended.code or 0)
    except LoopError as error:
        print_error(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        text, code = "Interrupted.", ExitCode.INTERRUPTED
    except Exception as error:
        refused = disk_refusal(error)
        if refused is not None:
            print_error(refused)
            return int(refused.exit_code)
        text, code = _bug_text(error), ExitCode.GENERAL
    else:
        return 0
    print(text, file=sys.stderr)
    return int(code)


_run.__code__ = _run.__code__.replace(co_stacksize=_ROOM_FOR_CALLS)


def _report_lost(lost: OSError, code: int, *, is_result: bool) -> int:
    """The exit code when output was lost: where it is the result, the command has failed.

    Whoever closes a pipe has read enough, and needs no message.
    """
    failed = is_result and code == 0
    if lost.errno != errno.EPIPE:
        start = "Error" if failed else "Warning"
        print(
            f"{start}: Standard output could not be written: {lost.strerror}.\n"
            "  Make room on the disk, or redirect it elsewhere.",
            file=sys.stderr,
        )
    return int(ExitCode.GENERAL) if failed else code


def _bug_text(error: Exception) -> str:
    """What the user cannot fix, with its traceback above it."""
    import traceback

    traceback.print_exception(error)
    return (
        f"\nThis is a bug in loop-kit {__version__}, not your mistake."
        " Please report it with the lines above; the state is kept."
    )
