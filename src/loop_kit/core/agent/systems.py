"""What differs where loop-kit does not run on Linux, for `loop doctor` and the docs."""

from collections.abc import Mapping, Sequence

Difference = tuple[str, str]

_EVERYWHERE = (
    ("sandbox", "none, so agents reach what you can; settings that need one are refused"),
    ("left processes", "not found if they detach themselves on purpose"),
)

DIFFERENCES: Mapping[str, Sequence[Difference]] = {
    "macOS": _EVERYWHERE,
    "Windows": (
        *_EVERYWHERE,
        ("stopping", "agents are ended at once, without a signal"),
        ("commands", "`verify` and `workspace-setup` are run by cmd, line by line"),
        (
            "tested",
            "the fast tests without fork, POSIX shell, script programs, links and pipes,"
            " free file names, signals and limits",
        ),
    ),
}
"""By system: what differs, and how."""

_NAMES = {"darwin": "macOS", "win32": "Windows"}


def system_name(platform: str) -> str | None:
    """The name in `DIFFERENCES` of what Python calls `platform`; None where nothing differs."""
    return _NAMES.get(platform)


def system_text(name: str) -> str:
    """What differs on that system, in one line."""
    return f"{name}. " + "; ".join(f"{what}: {how}" for what, how in DIFFERENCES[name])
