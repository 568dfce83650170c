"""The checks of `loop doctor` and how their list is formatted; imports nothing heavy.

A thing is `missing` when it is not installed and `wrong` when it cannot be used. Only what
this repository needs decides the verdict; all else is listed so that people can choose it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum

from loop_kit.core.text.sanitize import one_line
from loop_kit.frozen import frozen
from loop_kit.patterns import late_pattern

_VERSION = late_pattern(r"(?<![\d.])(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?")
_MAX_TEXT = 400

Version = tuple[int, int, int]


class CheckState(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    MISSING = "missing"
    WRONG = "wrong"


@frozen
class Check:
    """The result of one check; `fix` is what to do or type, '' when there is nothing."""

    name: str
    state: CheckState
    detail: str
    fix: str = ""
    needed: bool = True

    @property
    def is_blocking(self) -> bool:
        """Whether a loop here cannot run before this is fixed."""
        return self.needed and self.state in {CheckState.MISSING, CheckState.WRONG}


def version_in(text: str) -> Version | None:
    """The first version number in what a program printed, or None."""
    found = _VERSION.search(text[:4096])
    if found is None:
        return None
    major, minor, patch = found.groups(default="0")
    return int(major), int(minor), int(patch)


def version_text(version: Version) -> str:
    """`version` as people write it."""
    return ".".join(map(str, version))


def missing_flags(flags: Iterable[str], help_text: str) -> tuple[str, ...]:
    """The `flags` that `help_text` does not name as words of their own."""
    words = set(re.findall(r"(?<![\w-])[\w-]+", help_text))
    return tuple(flag for flag in flags if flag not in words)


def printable(check: Check) -> Check:
    """`check` with every text on one line, safe for a terminal."""
    return replace(
        check,
        name=one_line(check.name, 60),
        detail=one_line(check.detail, _MAX_TEXT),
        fix=one_line(check.fix, _MAX_TEXT),
    )


def verdict(checks: Sequence[Check], roles: str) -> str:
    """One line: who would run a loop here (`roles`, may be ''), and what stops it."""
    stopping = [f"{check.name} ({check.state})" for check in checks if check.is_blocking]
    if stopping:
        return f"Not ready{f' for {roles}' if roles else ''}: {', '.join(stopping)}."
    return f"Ready: {roles}."


def check_lines(checks: Sequence[Check]) -> list[str]:
    """A line per check in columns, and its fix below."""
    width = max((len(check.name) for check in checks), default=0)
    found = []
    for check in checks:
        found.append(f"{check.name:<{width}}  {check.state:<7}  {check.detail}".rstrip())
        if check.fix:
            found.append(f"{'':<{width}}  fix:     {check.fix}")
    return found
