"""Posts what is durable, one after the other, until the forge does not answer any more."""

from typing import TYPE_CHECKING

from loop_kit.core.loop.state import OutboxItem
from loop_kit.engine.journal import Journal
from loop_kit.errors import ForgeUnavailable
from loop_kit.ports import Reporter

if TYPE_CHECKING:
    from loop_kit.engine.publisher import Publisher


class Posts:
    """The posts of one run; without a `publisher` there is nowhere to post to."""

    def __init__(self, publisher: "Publisher | None", journal: Journal, reporter: Reporter) -> None:
        self._publisher = publisher
        self._journal = journal
        self._reporter = reporter
        self.forge_is_down = False

    @property
    def has_forge(self) -> bool:
        """Whether there is somewhere to post to."""
        return self._publisher is not None

    def show_progress(self) -> None:
        """Show in the status comment that the reviewer reads now; without an answer it is left.

        The worker is named by the comment that ended the last round. So a round costs one request
        more, however long its agents take.
        """
        if self._publisher is not None and not self.forge_is_down:
            self._publisher.show_progress(self._journal.state)

    def post(self, items: tuple[OutboxItem, ...]) -> None:
        """Make these posts exist; their intents are durable."""
        card = self._journal.card
        if self._publisher is None or card is None or self.forge_is_down:
            return
        try:
            for item in items:
                if item in self._journal.state.outbox:
                    posted = self._publisher.publish(self._journal.state, card, item)
                    self._journal.apply(posted)
        except ForgeUnavailable as error:
            self._reporter.warn(f"{error} What was to be posted stays outstanding.")
            self.forge_is_down = True
