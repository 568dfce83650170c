"""Whether what a loop is talked about in is still open: asked before each agent is paid."""

from loop_kit.core.state import LoopState
from loop_kit.errors import ForgeRefused, ForgeUnavailable
from loop_kit.ports import Forge, Reporter
from loop_kit.ports.forge import Standing


class Watch:
    """Asks the forge, in one request for the issue and the pull request."""

    def __init__(self, forge: Forge, reporter: Reporter) -> None:
        self._forge = forge
        self._reporter = reporter

    def reason_to_stop(self, state: LoopState) -> str:
        """Why nothing more is to be spent, or ''.

        A forge that does not answer stops nothing: the branches are the lock, and they did.
        """
        issue, pull = state.source.issue, state.pull_request
        if issue is None and pull is None:
            return ""
        try:
            standing = self._forge.standing(issue, pull)
        except (ForgeRefused, ForgeUnavailable) as error:
            self._reporter.warn(f"Nobody can say whether the task is still open: {error}")
            return ""
        ends = {
            f"The pull request #{pull} was merged.": bool(standing.pull_merged),
            f"The pull request #{pull} was closed.": standing.pull_open is False,
            f"The issue #{issue} was closed.": standing.issue_open is False,
            f"The label {state.source.label!r} was removed.": _unlabelled(state, standing),
        }
        return next((why for why, holds in ends.items() if holds), "")


def _unlabelled(state: LoopState, standing: Standing) -> bool:
    label = state.source.label.casefold()
    return bool(label) and label not in {name.casefold() for name in standing.labels}
