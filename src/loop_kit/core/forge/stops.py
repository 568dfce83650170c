"""What a stop leaves for a person to look at, folded, as a program or the server wrote it."""

from loop_kit.core.forge.context import PostContext, link
from loop_kit.core.forge.findings import folded
from loop_kit.core.loop import bus
from loop_kit.core.loop.outcomes import Outcome
from loop_kit.core.loop.state import LoopState
from loop_kit.core.text.harmless import code, quote


def stop_sections(state: LoopState) -> list[str]:
    """The refused change, why a push was refused, and what a setup command printed."""
    return [*_refused_change(state), *_refused_push(state), *_failed_setup(state)]


def refused_report(state: LoopState, context: PostContext) -> list[str]:
    """The line that names the report for which the loop stopped; none where it is none."""
    last = state.attempt
    if state.outcome is None or last is None or not (last.report_refused and state.state_branch):
        return []
    path = bus.refused_path(state.task_id, state.round, last.role, last.number)
    name = link(code(path), context.file(state.state_branch, path))
    return ["", f"The refused report is {name} on the branch {code(state.state_branch)}."]


def stop_links(state: LoopState, context: PostContext) -> list[str]:
    """Where a stop is explained; and, from the job that made it, its log and record."""
    if not state.explanation or state.outcome is Outcome.CANCELLED:
        return []
    run = context.run_links(state.lease.run_id if state.lease else None)
    return ["", " · ".join([link("What this means", state.explanation), *run])]


def _refused_change(state: LoopState) -> list[str]:
    if not state.refused_diff:
        return []
    return folded("The refused change, which was not pushed", [quote(state.refused_diff)])


def _refused_push(state: LoopState) -> list[str]:
    if state.refusal is None or "push_refused" not in state.reasons:
        return []
    who = "was found before the push" if state.refusal.found_here else "the git server answered"
    return folded(f"What {who}", [quote(state.refusal.words)])


def _failed_setup(state: LoopState) -> list[str]:
    failed = state.failed_setup
    if failed is None or not failed.tail.strip():
        return []
    summary = f"What the setup command printed (exit code {failed.exit_code})"
    return folded(summary, [quote(failed.tail)])
