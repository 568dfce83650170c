"""Numbers as people read them: short, and nothing that is not known. No heavy imports."""

ESTIMATED = "~"
"""Before money that is estimated from tokens."""


def counted(number: int, noun: str) -> str:
    """`1 finding`, `2 findings`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def counted_with_verb(number: int, noun: str) -> str:
    """`1 finding is`, `2 findings are`."""
    return f"{counted(number, noun)} {'is' if number == 1 else 'are'}"


def duration(seconds: float) -> str:
    """`40 s`, `3 min`, `1 h 5 min`."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def short(number: int) -> str:
    """`950`, `691k`, `1.2M`."""
    if number < 1_000:
        return str(number)
    return f"{number / 1_000:.0f}k" if number < 999_500 else f"{number / 1_000_000:.1f}M"


def money(cost_usd: float | None, estimated_cost_usd: float | None = None) -> str | None:
    """`1.22 USD`, `~0.40 USD` where it is estimated, or both; None where it is unknown."""
    known = [] if cost_usd is None else [f"{cost_usd:.2f} USD"]
    known += [] if estimated_cost_usd is None else [f"{ESTIMATED}{estimated_cost_usd:.2f} USD"]
    return " + ".join(known) or None
