"""Which recorded states this version can read.

`schema_version` grows when an older program would lose or misread what a newer one wrote. Such a
state is no damage: it is refused with the version that can read it, and left as it is.
"""

from loop_kit import __version__
from loop_kit.patterns import late_pattern

SCHEMA_VERSION = 2
_VERSION = late_pattern(r"[0-9][0-9A-Za-z.+-]{0,30}")


class StateCorrupt(ValueError):
    """The bytes are not a state."""


class StateTooNew(StateCorrupt):
    """A newer loop-kit wrote the state."""

    remedy = "Upgrade loop-kit (in a workflow, the version of the action); nothing was changed."

    def __init__(self, schema_version: int, written_by: object) -> None:
        known = isinstance(written_by, str) and _VERSION.fullmatch(written_by)
        needed = f"loop-kit >= {written_by}" if known else "a newer loop-kit"
        super().__init__(
            f"it needs {needed} (schema_version {schema_version}), and this is {__version__}"
        )


def check_version(schema_version: object, written_by: object) -> None:
    """Refuse what this version cannot read; `written_by` is the version that wrote it.

    Raises:
        StateTooNew: a newer version can.
        StateCorrupt: none can.
    """
    if type(schema_version) is int and schema_version > SCHEMA_VERSION:
        raise StateTooNew(schema_version, written_by)
    if type(schema_version) is not int or schema_version != SCHEMA_VERSION:
        raise StateCorrupt(f"schema_version {schema_version!r} is not known here")
