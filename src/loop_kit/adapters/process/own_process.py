"""Closes this process to others of its user, before one of them is started that may be hostile.

Whoever runs as the same user can read the memory of a process, its environment and its open files
below /proc, unless it is not dumpable (prctl(2), PR_SET_DUMPABLE). Root can all the same; so what
the process was started with is erased from where the kernel shows it, and only what any program may
see stays in `os.environ`, which is all that the libraries here read.
"""

import sys
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

from loop_kit.core.agent.environment import public_environment

_ENVIRONMENT_FIELDS = slice(47, 49)
"""Of /proc/PID/stat behind the name: where the environment of the start begins and ends."""


def close_own_process(environ: MutableMapping[str, str]) -> dict[str, str]:
    """Close this process to others; the whole environment, of which `environ` loses the secrets."""
    whole = dict(environ)
    public = public_environment(whole)
    environ.clear()
    if sys.platform == "linux":
        with suppress(OSError, ValueError):
            _erase_environment()
        from loop_kit.adapters.process.room import kernel

        kernel.forbid_dumps()
    environ.update(public)
    return whole


def _erase_environment() -> None:
    """Overwrite the environment of the start; nothing points into it once `os.environ` is empty."""
    import ctypes

    stat = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    begin, end = map(int, stat[_ENVIRONMENT_FIELDS])
    if 0 < begin < end:
        ctypes.memset(begin, 0, end - begin)
