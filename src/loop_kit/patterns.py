"""Regular expressions that are compiled when they are first used.

To compile one takes up to a millisecond. A run loads a hundred and a half, and uses a third.
"""

import re
from typing import Any, AnyStr, cast


def late_pattern(expression: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What `re.compile` returns, for a name that a module defines and few runs use."""
    return cast("re.Pattern[AnyStr]", _LatePattern(expression, flags))


class _LatePattern:
    """Has the attributes of the compiled expression; each is looked up once."""

    def __init__(self, *given: Any) -> None:
        self._given = given

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._given), name)
        setattr(self, name, found)
        return found
