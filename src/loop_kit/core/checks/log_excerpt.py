"""The part of a job's log that shows why it failed.

GitHub marks an error with `##[error]` and writes the time before each line. What follows the last
error is the clean-up of the job; what came before it is what the failed step printed.
"""

import re

from loop_kit.core.text.sanitize import visible

MAX_LINES = 40
MAX_CHARACTERS = 4000

_TIME = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z ")
_MARK = re.compile(r"^##\[(error|warning|group|debug|command|section)\]")
_MAX_LINE = 500


def excerpt(log: str) -> str:
    """The last lines up to the last error, without times, colours and control characters."""
    lines = [_TIME.sub("", line) for line in log.splitlines()]
    lines = [line for line in lines if line.strip() and not line.startswith("##[endgroup]")]
    errors = [number for number, line in enumerate(lines) if line.startswith("##[error]")]
    end = errors[-1] + 1 if errors else len(lines)
    chosen = (_plain(line) for line in lines[max(0, end - MAX_LINES) : end])
    return "\n".join(chosen)[-MAX_CHARACTERS:]


def _plain(line: str) -> str:
    return _MARK.sub("", visible(line[: 4 * _MAX_LINE]))[:_MAX_LINE].rstrip()
