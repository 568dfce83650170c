"""What a reviewer with a token of its own says, and what became of that and of the merge."""

from loop_kit.core.forge.render import marker
from loop_kit.core.loop import outbox
from loop_kit.core.loop.state import LoopState
from loop_kit.core.text.harmless import inline

PEOPLE_MERGE = "loop:people-merge"
"""The label of an issue or a pull request that says that people merge it."""


def verdict_body(state: LoopState, key: str) -> str:
    """The whole review: its reasons are in the review of the round."""
    round_ = state.history[-1].round
    words = (
        f"The review loop approved this in round {round_}."
        if key == outbox.APPROVAL
        else f"The review loop requires changes, see the review of round {round_}."
    )
    return f"{marker(state.task_id, key)}\n{words}"


def verdict_lines(state: LoopState) -> list[str]:
    """The lines of the status comment on a refused approval, and on the merge."""
    lines = []
    for key in (outbox.APPROVAL, outbox.CHANGES_REQUESTED):
        item = outbox.item_of(state, key)
        if item is not None and item.why:
            lines = [f"- **Review:** as a comment only. {inline(item.why, 500)}"]
    merge = outbox.item_of(state, outbox.AUTO_MERGE)
    if merge is not None and merge.why:
        lines.append(f"- **Merge:** people merge it. {inline(merge.why, 500)}")
    elif merge is not None and merge.status == "done":
        lines.append("- **Merge:** by GitHub, as soon as the rules of the branch are satisfied.")
    return lines
