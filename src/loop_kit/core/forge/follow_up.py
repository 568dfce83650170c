"""The issue that keeps what an approved loop has left for later, where one is asked for.

It holds each finding as the reviewer wrote it, so that it can be judged after the pull request is
merged. It is no task card: a person decides what of it is worth a loop of its own.
"""

from loop_kit.core.forge.context import PostContext
from loop_kit.core.forge.findings import findings_section
from loop_kit.core.forge.render import branch, marker
from loop_kit.core.loop import outbox
from loop_kit.core.loop.findings import later_findings
from loop_kit.core.loop.state import LoopState
from loop_kit.core.text.harmless import cut
from loop_kit.core.text.sanitize import MAX_BODY, one_line


def follow_up_title(state: LoopState) -> str:
    """The title of the issue, in one line."""
    number = len(later_findings(state.findings))
    findings = "1 finding" if number == 1 else f"{number} findings"
    return one_line(f"{findings} for later, from the review loop {state.task_id}", 200)


def follow_up_body(state: LoopState, context: PostContext | None = None) -> str:
    """The text of the issue."""
    context = context or PostContext()
    approved = f"approved #{state.pull_request}" if state.pull_request else "ended with an approval"
    parts = [
        marker(state.task_id, outbox.FOLLOW_UP),
        f"The review loop `{state.task_id}` {approved} at `{state.head_sha[:10]}`. These findings"
        " did not block it; nobody has fixed them.",
        *findings_section("Findings", later_findings(state.findings), state.head_sha, context),
        "",
        "Close this issue when none of them is worth a change.",
    ]
    return cut("\n".join(parts), MAX_BODY - 512, f"The rest is on `{branch(state)}`.")
