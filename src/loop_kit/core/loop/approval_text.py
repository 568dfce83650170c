"""Who approved, in words; `loop status` says it too, so nothing here builds a record."""

from collections.abc import Sequence

_COMMAND = "command"
"""Who gave a review, where a command did: which model that runs is not known."""


def approval_text(reviews: Sequence[Sequence[str | None]]) -> str | None:
    """`2 reviewers (codex, claude)`, or that it is one and why; None if only one was asked for.

    A review is who gave it, the decision, and why there is none.
    """
    if len(reviews) < 2:
        return None
    approving = [reviewer or "unnamed" for reviewer, decision, _ in reviews if decision]
    names = ", ".join(approving)
    if len(approving) > 1:
        is_same = len(set(approving)) == 1 and approving[0] != _COMMAND
        same = "; the same model twice" if is_same else ""
        return f"{len(approving)} reviewers ({names}{same})"
    missed, _, why = next(row for row in reviews if not row[1])
    return f"1 reviewer ({names}); the second, {missed or 'unnamed'}, could not be asked: {why}"
