"""What an attempt costs by the table of prices, where its backend reports tokens and no money.

The table is that of `genai-prices`, as installed: it is offline, and loaded for the first attempt
that needs it. An attempt makes many requests, and how long each of them was is unknown, so what a
provider adds for very long ones is not in the estimate. A model that is not in the table has no
price: a wrong one would be worse.
"""

from collections.abc import Mapping

from loop_kit.core.loop.state import Spent

_PROVIDERS: Mapping[str, str] = {"codex": "openai", "claude": "anthropic"}
_USUAL_REQUEST = 50_000
"""Input tokens of one request, below every step in the table."""


def add_estimate(spent: Spent) -> Spent:
    """`spent`, with its estimated cost where none is reported and its model has a price."""
    if spent.cost_usd is not None or spent.tokens_in is None or not spent.model:
        return spent
    provider, model = _PROVIDERS.get(spent.backend or ""), spent.model
    if provider is None and "/" in model:
        provider, _, model = model.partition("/")
    cost = _price(spent, model, provider)
    return spent if cost is None else spent.model_copy(update={"estimated_cost_usd": cost})


def _price(spent: Spent, model: str, provider: str | None) -> float | None:
    from genai_prices import Usage, calc_price

    into, out = spent.tokens_in or 0, spent.tokens_out or 0
    requests = max(1, -(-into // _USUAL_REQUEST))
    usage = Usage(
        input_tokens=into / requests,
        cache_read_tokens=min(spent.tokens_cached or 0, into) / requests,
        output_tokens=out / requests,
    )
    try:
        price = calc_price(usage, model, provider_id=provider).total_price
    except (LookupError, ValueError):
        return None
    return round(float(price) * requests, 6)
