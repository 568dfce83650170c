"""The policies that are compared: which rules judge the same loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.simulation.runner import Policy

from loop_kit.core.loop.rules.settings import Rules
from loop_kit.core.loop.state import Limits

RULES = tuple(name for name in Rules.model_fields if name not in {"checks", "passes"})
"""Those that judge agents: checks are of a pull request, and a simulated loop has none. Further
passes are part of having a second reviewer."""
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
    """No rule but the number of rounds: the reviewer's word is an approval, tested or not."""
    off = limits(rounds, rules_without(*RULES))
    return Policy(f"max-rounds {rounds}", off, on_word=True, prompted=False, verifies=False)


def agent_task_runner(rounds: int) -> Policy:
    """The same as agent-task-runner has it: a report that it cannot read ends the loop."""
    return replace(max_rounds(rounds), name=f"agent-task-runner {rounds}", continues=False)


def on_word(rounds: int) -> Policy:
    """The default rules, but the reviewer's word is an approval."""
    return replace(ours(rounds), name=f"approve on word {rounds}", on_word=True)


def ours(rounds: int, **settings: Mapping[str, Any]) -> Policy:
    """The default rules, with some settings changed."""
    return Policy(f"ours {rounds}", limits(rounds, changed(settings)))


def with_second(rounds: int) -> Policy:
    """The default rules, with a second reviewer of another vendor."""
    policy = ours(rounds)
    second = {"second_reviewer": "other", "second_reviewer_mode": "required"}
    asked = policy.limits.model_copy(update=second)
    return replace(policy, name="ours, second reviewer", limits=asked)


def with_careful_second(rounds: int) -> Policy:
    """With a second reviewer, and whatever it finds on lines of the first work blocks."""
    policy = with_second(rounds)
    rules = changed({"bar": {"older_work": ("any",)}})
    asked = policy.limits.model_copy(update={"rules": rules})
    return replace(policy, name="the same, `older_work: [any]`", limits=asked)


def unprompted(rounds: int) -> Policy:
    """The default rules, with the prompts of agent-task-runner."""
    return replace(ours(rounds), name="without our prompts", prompted=False)


def unverified(rounds: int) -> Policy:
    """The default rules, but no verify command is run."""
    return replace(ours(rounds), name="without verify commands", verifies=False)


def without(rounds: int, rule: str) -> Policy:
    """The default rules without one."""
    return Policy(f"without {rule}", limits(rounds, rules_without(rule)))


UNGUARDED = max_rounds(UNTIL_APPROVED)
