"""The policies that are compared: which rules judge the same loops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulation.runner import Policy

from loop_kit.core.loop.rules.settings import Rules
from loop_kit.core.loop.state import Limits

RULES = tuple(Rules.model_fields)
SECOND = "second reviewer"
UNTIL_APPROVED = 40
"""Rounds of the unguarded loops of the field: the longest that was logged had 38."""


def limits(rounds: int, rules: Rules) -> Limits:
    """The limits of the action, with these rules."""
    return Limits(max_rounds=rounds, evidence="strict", rules=rules)


def rules_without(*names: str) -> Rules:
    """The default rules without some."""
    return changed({name: {"enabled": False} for name in names})


def changed(settings: Mapping[str, Mapping[str, Any]]) -> Rules:
    """The default rules with some settings changed."""
    rules = Rules()
    updates = {
        name: getattr(rules, name).model_copy(update=dict(values))
        for name, values in settings.items()
    }
    return rules.model_copy(update=updates)


def max_rounds(rounds: int) -> Policy:
    """No rule but the number of rounds: the reviewer's word is an approval."""
    return Policy(f"max-rounds {rounds}", limits(rounds, rules_without(*RULES)))


def ours(rounds: int, **settings: Mapping[str, Any]) -> Policy:
    """The default rules."""
    return Policy(f"ours {rounds}", limits(rounds, changed(settings)))


def without(rounds: int, rule: str) -> Policy:
    """The default rules without one."""
    return Policy(f"ours {rounds} without {rule}", limits(rounds, rules_without(rule)))


UNGUARDED = max_rounds(UNTIL_APPROVED)
