"""The job summary: what happened, what is open, and how each round went."""

from loop_kit.core.forge.context import PostContext, link
from loop_kit.core.forge.figures import usage_text
from loop_kit.core.forge.findings import final_sections, findings_section
from loop_kit.core.forge.heading import heading
from loop_kit.core.forge.rounds import rounds_table
from loop_kit.core.forge.status import lead
from loop_kit.core.forge.stops import stop_sections
from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.state import LoopState
from loop_kit.core.text.harmless import code, cut, inline, size_in_bytes
from loop_kit.core.text.sanitize import MAX_SUMMARY


def job_summary(state: LoopState, context: PostContext | None = None) -> str:
    """What a person who opens the run reads first."""
    context = context or PostContext()
    pull = link(f"pull request #{state.pull_request}", context.pull(state.pull_request))
    where = f" · {pull}" if state.pull_request is not None else ""
    table = rounds_table(state, context)
    parts = [
        f"## {heading(state, context).text}",
        "",
        f"Loop {code(state.task_id)}{where}",
        "",
        *lead(state, context),
        *findings_section("Open findings", open_findings(state.findings), state.head_sha, context),
        *(["", *table] if table else []),
        *final_sections(state, context),
        *stop_sections(state),
        *_not_posted(state),
        "",
        f"Used: {usage_text(state.usage)}.",
    ]
    return cut("\n".join(parts) + "\n", MAX_SUMMARY, size=size_in_bytes)


def _not_posted(state: LoopState) -> list[str]:
    refused = [item for item in state.outbox if item.status == "refused" and item.why]
    lines = [f"- {item.key}: {inline(item.why, 1000)}" for item in refused]
    return ["", "### Not posted", "", *lines] if lines else []
