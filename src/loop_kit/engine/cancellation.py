"""Stops the loop before the next agent call if its issue or pull request was closed."""

from loop_kit.core.loop.effects import (
    Stop,
)
from loop_kit.core.loop.outcomes import Outcome, Reason
from loop_kit.core.loop.state import LoopState
from loop_kit.errors import ForgeRefused, ForgeUnavailable
from loop_kit.ports import Forge, Reporter
from loop_kit.ports.forge import OpenStatus


class CancellationCheck:
    """Asks the forge, in one request for the issue and the pull request."""

    def __init__(self, forge: Forge, reporter: Reporter) -> None:
        self._forge = forge
        self._reporter = reporter
        self._known: OpenStatus | None = None

    def learn(self, status: OpenStatus) -> None:
        """Take what was just asked for the answer to the next question."""
        self._known = status

    def find(self, state: LoopState) -> Stop | None:
        """Why the loop is to stop, or None.

        A forge that does not answer stops nothing: the branches are the lock, and they did.
        """
        issue, pull = state.source.issue, state.pull_request
        if issue is None and pull is None:
            return None
        known, self._known = self._known, None
        try:
            status = known or self._forge.open_status(issue, pull)
        except (ForgeRefused, ForgeUnavailable) as error:
            self._reporter.warn(
                f"Could not check whether the issue or pull request is still open: {error}"
            )
            return None
        return _find_cancellation(state, status)


def _find_cancellation(state: LoopState, status: OpenStatus) -> Stop | None:
    issue, pull = state.source.issue, state.pull_request
    if status.pull_merged:
        return _cancel("pull_request_merged", f"The pull request #{pull} was merged.")
    if status.pull_open is False:
        return _cancel("pull_request_closed", f"The pull request #{pull} was closed.")
    if status.issue_open is False:
        return _cancel("issue_closed", f"The issue #{issue} was closed.")
    if _is_label_removed(state, status):
        return _cancel("label_removed", f"The label {state.source.label!r} was removed.")
    return None


def _is_label_removed(state: LoopState, status: OpenStatus) -> bool:
    label = state.source.label.casefold()
    return bool(label) and label not in {name.casefold() for name in status.labels}


def _cancel(reason: Reason, sentence: str) -> Stop:
    return Stop(Outcome.CANCELLED, sentence, (reason,))
