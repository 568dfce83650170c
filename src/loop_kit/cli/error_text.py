"""An error on standard error: what is wrong, what to do, and in grey where there is more about it.

Every command starts here: no heavy imports.
"""

import os
import sys

from loop_kit.errors import LoopError

_GREY, _PLAIN = "\x1b[90m", "\x1b[0m"


def print_error(error: LoopError) -> None:
    """Print `error` without control characters: it may quote a card, a report or a file name."""
    from loop_kit.core.text.sanitize import visible

    text, page = visible(f"Error: {error.sentence}\n  {error.remedy}"), f"  {error.page}"
    if has_colours(is_terminal=sys.stderr.isatty()):
        page = f"{_GREY}{page}{_PLAIN}"
    print(f"{text}\n{page}", file=sys.stderr)


def has_colours(*, is_terminal: bool) -> bool:
    """Whether colours are wanted there; NO_COLOR is described on https://no-color.org."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return is_terminal and not plain
