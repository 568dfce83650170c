"""What a program says that it used, for programs whose output has no form of its own.

It may write `usage.json` into its mailbox: `{"tokens_in": 1200, "tokens_cached": 800, "tokens_out":
90, "cost_usd": 0.01, "model": "gpt-5.4"}`, each of them if it is known.
"""

from loop_kit.adapters.agents.command_line import PlainReader, json_object, money, whole_number
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.core.loop.sessions import session_name
from loop_kit.core.loop.state import Spent
from loop_kit.ports import Assignment

USAGE = "usage.json"
_MAX_USAGE = 64 * 1024


class UsageFileReader(PlainReader):
    """Each line is an activity; what was used is in a file."""

    def __init__(self, assignment: Assignment) -> None:
        super().__init__(assignment)
        self._usage = assignment.mailbox / USAGE

    @property
    def spent(self) -> Spent:  # type: ignore[override]
        """What the file says; None for what it does not, or not plausibly."""
        try:
            found = json_object(read_plain(self._usage, _MAX_USAGE) or b"")
        except BusFileUnreadable:
            return Spent()
        counts = ("tokens_in", "tokens_cached", "tokens_out")
        return Spent(
            **{name: whole_number(found[name]) for name in counts if name in found},
            cost_usd=money(found.get("cost_usd")),
            model=session_name(found.get("model")) or None,
        )
