"""What a card must not hold when its loop begins: an example's goal, entries that protect nothing.

An entry with a remark (`src/  # only the parser`) is a pattern that no path has: it would protect
nothing, and nobody would hear of it. So a card is refused before its loop begins; one that a loop
has already is left as it is.
"""

import re
from collections.abc import Callable, Sequence

from loop_kit.core.card.scope import ScopeRules, is_pattern
from loop_kit.core.card.task import EXAMPLE_GOALS, TaskCard
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import BadCard
from loop_kit.patterns import late_pattern

_ONE_PATH = (
    "Write one path or pattern per entry, a folder with / at its end, and every remark into"
    " `constraints`."
)
_SLASHES = "Write it as the repository has it: from its root, with one / between folders."
_NEVER: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (late_pattern(r"(?:^|\s)#"), "holds a remark after #", _ONE_PATH),
    (late_pattern(r"^[-*+]\s"), "begins with the mark of a list", _ONE_PATH),
    (late_pattern(r"""^(["'`]).*\1$"""), "is in quotes", "Write it without them."),
    (late_pattern(r"^(?:~|[A-Za-z]:[\\/]|[a-z]+://)"), "is no path of the repository", _SLASHES),
    (late_pattern(r"(?:^|/)\.\.(?:/|$)"), "leaves the repository", _SLASHES),
    (late_pattern(r"./\.(?:/|$)|//|^/$"), "is written as no path is", _SLASHES),
    (late_pattern(r"\\\w"), "has \\ between folders", _SLASHES),
    (late_pattern(r"[,;:/]\s|[,;]$"), "is more than one path", _ONE_PATH),
)

_REMARK = late_pattern(r"(?P<path>\S+?)(?:[:,;]|\s+[#(\[-]|\s+[\u2013\u2014]).*", re.DOTALL)
"""A path without a slash, and what a person wrote after it."""


def accept_card(card: TaskCard, place: str) -> TaskCard:
    """The card, where a loop can begin with it.

    Raises:
        BadCard: its goal is that of an example, or a path that it puts out of scope cannot be
            enforced; `place` is how the card is called.
    """
    if card.goal.strip() in EXAMPLE_GOALS:
        raise BadCard(
            f"{place}: the goal is still that of the example.",
            "Say in 'goal' what should be true when the work is done, and fit the other fields to"
            " it.",
            anchor="card-example",
        )
    for number, entry in enumerate(card.out_of_scope):
        why = why_unenforced(entry, is_first=number == 0)
        if why is not None:
            shown = one_line(entry, 100)
            raise BadCard(
                f"{place}: the entry {shown!r} of 'out_of_scope' {why[0]}: it would protect"
                " nothing.",
                why[1],
                anchor="card-scope",
            )
    return card


def scope_warnings(
    card: TaskCard, rules: ScopeRules, matches: Callable[[Sequence[str]], object]
) -> list[str]:
    """What the enforced scope of a card says in vain: it may be misspelt.

    `matches` says whether patterns match a file.
    """
    enforced = [
        ("out_of_scope", pattern, "It holds for new files.") for pattern in rules.out_of_scope
    ]
    if rules.strict:
        allows = "With `scope: strict` it allows new files alone."
        enforced += [("in_scope", pattern, allows) for pattern in rules.in_scope]
    found = [
        f"{one_line(pattern)!r} in {name} matches no file: check how it is written. {so}"
        for name, pattern, so in enforced
        if not matches((pattern,))
    ]
    if rules.strict and card.in_scope and not rules.in_scope:
        found.append(
            "`scope: strict` restricts nothing here: no entry of in_scope is a path or a pattern."
            " Name files or folders there."
        )
    return found


def why_unenforced(entry: str, *, is_first: bool = False) -> tuple[str, str] | None:
    """Why a pattern matches no path, and what to write instead; None where it can match."""
    text = entry.strip()
    if not is_pattern(text):
        found = _REMARK.fullmatch(text)
        remarked = found is not None and is_pattern(found["path"])
        return ("holds words after a path", _ONE_PATH) if remarked else None
    for shape, why, remedy in _NEVER:
        if shape.search(text):
            return why, remedy
    words = text.split()
    if len(words) > 1 and not is_pattern(words[-1]):
        return "holds words after a path", _ONE_PATH
    if text.startswith("!") and is_first:
        return "is an exception to nothing", "Name first what it is an exception to."
    return None
