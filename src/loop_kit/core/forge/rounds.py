"""The rounds as a table: what each changed, found and cost, with links to the whole of it."""

from collections.abc import Sequence

from loop_kit.core.forge.context import PostContext, link
from loop_kit.core.forge.findings import folded
from loop_kit.core.loop import outbox
from loop_kit.core.loop.attempts import attempts_of_round, total
from loop_kit.core.loop.state import LoopState, Role, RoundRecord
from loop_kit.core.text.harmless import cell
from loop_kit.core.text.numbers import ESTIMATED, counted, duration, money, short

MAX_ROWS = 30
_COST = 6
_ESTIMATE = f"{ESTIMATED} is estimated from tokens."
_MAX_IDS = 4
_SETTLED = ("fixed", "withdrawn", "waived", "dismissed")


def rounds_table(state: LoopState, context: PostContext) -> list[str]:
    """The newest rounds, one row each; nothing where there is none."""
    if not state.history:
        return []
    head = ["round", "changes", "verify", "verdict", "findings", "time", "cost", "run"]
    rows = [_row(record, state, context) for record in state.history[-MAX_ROWS:]]
    empty = [n for n in range(len(head)) if not any(row[n] for row in rows)]
    more = len(state.history) - len(rows)
    return [
        *([f"The first {counted(more, 'round')} are in `state.json`.", ""] if more > 0 else []),
        _line(head, empty),
        _line(["---"] * len(head), empty).replace(" ", ""),
        *(_line(row, empty) for row in rows),
        *(["", _ESTIMATE] if any(ESTIMATED in row[_COST] for row in rows) else []),
    ]


def _line(cells: list[str], empty: list[int]) -> str:
    return f"| {' | '.join(text for n, text in enumerate(cells) if n not in empty)} |"


def _row(record: RoundRecord, state: LoopState, context: PostContext) -> list[str]:
    verified = {True: "✅", False: "❌", None: ""}[record.verified]
    used = total(record.attempts)
    return [
        link(str(record.round), review_link(state, record.round, context)),
        changes(record, context),
        verified,
        _verdict(record),
        _findings(record, state),
        duration(used.agent_seconds) if used.agent_seconds else "",
        money(used.cost_usd, used.estimated_cost_usd) or "",
        " · ".join(context.run_links(record.run_id)),
    ]


def review_link(state: LoopState, round_: int, context: PostContext) -> str | None:
    """Where the review of a round is."""
    item = outbox.item_of(state, outbox.review_key(round_))
    return context.review(state.pull_request, item.ref) if item is not None else None


def changes(record: RoundRecord, context: PostContext) -> str:
    """The lines that a round has added and deleted, with a link to them."""
    if record.kind == "review":
        return "none"
    size = f"+{record.lines_added} −{record.lines_deleted}"
    return link(size, context.compare(record.parent_sha, record.head_sha))


def _verdict(record: RoundRecord) -> str:
    words = {"approve": "**approved**", "changes_required": "changes required", None: "none yet"}
    by = " and ".join(v.reviewer for v in record.reviews if v.reviewer and v.decision)
    return f"{words[record.decision]}{f' by {cell(by, 100)}' if by else ''}"


def _findings(record: RoundRecord, state: LoopState) -> str:
    closed = [f for f in state.findings if f.closed_round == record.round]
    ids = {status: [f.id for f in closed if f.status == status] for status in _SETTLED}
    groups = {"new": record.new_findings, **ids}
    return " · ".join(f"{_named(ids)} {what}" for what, ids in groups.items() if ids)


def _named(ids: Sequence[str]) -> str:
    return ", ".join(ids) if len(ids) <= _MAX_IDS else str(len(ids))


def usage_table(state: LoopState) -> list[str]:
    """What each role has used in the newest rounds, folded; nothing where nothing is known."""
    rows = [
        _usage_row(round_, role, state)
        for round_ in dict.fromkeys((*(r.round for r in state.history[-MAX_ROWS:]), state.round))
        for role in Role
    ]
    known = [row for row in rows if row]
    head = ["| round | role | by | attempts | time | tokens in | out | cost |", f"|{'---|' * 8}"]
    return folded("Time, tokens and money of each agent", [*head, *known] if known else [])


def _usage_row(round_: int, role: Role, state: LoopState) -> str:
    attempts = [one for one in attempts_of_round(state, round_) if one.role is role]
    if not attempts:
        return ""
    used, last = total(attempts), attempts[-1]
    tokens = [used.tokens_in, used.tokens_out]
    cells = [
        str(round_),
        role.words,
        cell(":".join(filter(None, (last.backend, last.model))), 80),
        str(len(attempts)),
        duration(used.agent_seconds),
        *("" if number is None else short(number) for number in tokens),
        money(used.cost_usd, used.estimated_cost_usd) or "",
    ]
    return f"| {' | '.join(cells)} |"
