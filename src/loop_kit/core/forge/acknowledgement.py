"""The one comment on the issue that a card came from: that it is worked on, and how to stop that.

Once the loop has stopped it asks what the status comment asks, for people may read only the issue.
"""

from loop_kit.core.agent.role import Role
from loop_kit.core.card.task import TaskCard
from loop_kit.core.forge.context import PostContext, link
from loop_kit.core.forge.figures import clock_time
from loop_kit.core.forge.findings import folded
from loop_kit.core.forge.heading import heading
from loop_kit.core.forge.render import branch, marker
from loop_kit.core.forge.status import lead, pull_words
from loop_kit.core.forge.stops import stop_sections
from loop_kit.core.loop import outbox
from loop_kit.core.loop.state import LoopState, Outcome, Phase
from loop_kit.core.text.harmless import code, cut, inline, quote
from loop_kit.core.text.numbers import counted
from loop_kit.core.text.sanitize import MAX_BODY

_MAX_COMMANDS = 3
"""More verify commands than these are folded."""


def acknowledgement(
    state: LoopState, card: TaskCard | None = None, context: PostContext | None = None
) -> str:
    """The comment on the issue of `card`, which is updated."""
    context = context or PostContext()
    pull = pull_words(state, context)
    runs = state.outcome is None and state.state is not Phase.PAUSED
    parts = [
        marker(state.task_id, outbox.ACKNOWLEDGEMENT),
        *_title(state, context, pull, runs=runs),
        "",
        *(_running(state, context) if runs else lead(state, context)),
        *stop_sections(state),
        *_verify_note(state, card.verify if card else ()),
    ]
    return cut("\n".join(parts), MAX_BODY - 512, f"The rest is on `{branch(state)}`.")


def _title(state: LoopState, context: PostContext, pull: str, *, runs: bool) -> list[str]:
    """The heading; while the loop runs it names no round, so that it is not updated in each."""
    loop = f"Loop {code(state.task_id)}"
    where = f" · {pull}" if pull else ""
    if runs:
        return [f"### 🔵 {loop} is running{where}"]
    return [f"### {heading(state, context).text}", "", f"{loop}{where}"]


def _running(state: LoopState, context: PostContext) -> list[str]:
    label = state.source.label
    take_off = f"take the label {code(label)} off, or comment" if label else "comment"
    return [
        *_begun(state, context),
        *_who(state, context),
        f"Stop: {take_off} `/loop stop`. Edits of this issue count after `/loop refresh`.",
    ]


def _begun(state: LoopState, context: PostContext) -> list[str]:
    """When the loop began, and where its first round can be watched."""
    at = clock_time(state.started_at)
    run = context.run(state.lease.run_id) if state.lease and not state.history else None
    log = [link("log of round 1", run)] if run else []
    return [f"{' · '.join([f'Began at {at}', *log])}.", ""] if at else []


def _who(state: LoopState, context: PostContext) -> list[str]:
    """Who works, and what the loop may use."""
    roles = (Role.WORKER, Role.REVIEWER, Role.SECOND_REVIEWER)
    named = ((role, context.agents.get(role)) for role in roles)
    agents = [f"{role.words} {inline(name, 80)}" for role, name in named if name]
    dollars = state.limits.max_cost_usd
    cost = None if dollars is None else f"{dollars:.10g} USD"
    most = " and ".join(filter(None, (counted(state.limits.max_rounds, "round"), cost)))
    line = ", ".join([*agents, f"at most {most}"])
    return [f"{line[0].upper()}{line[1:]}."]


def _verify_note(state: LoopState, asked: tuple[str, ...]) -> list[str]:
    """The commands that run, to the letter: those of an issue were written by an outsider."""
    if state.outcome is Outcome.APPROVED:
        return []
    is_ignored = bool(asked) and asked != state.verify
    note = "The verify commands of this issue do not run: the repository has its own."
    parts = ["", note] if is_ignored else []
    if state.verify:
        whose = "of this issue" if asked == state.verify else "of the repository"
        runs = f"Runs {counted(len(state.verify), 'verify command')} {whose} in each round"
        lines = [quote("\n".join(state.verify))]
        is_short = len(state.verify) <= _MAX_COMMANDS
        parts += ["", f"{runs}:", "", *lines] if is_short else folded(runs, lines)
    return parts
