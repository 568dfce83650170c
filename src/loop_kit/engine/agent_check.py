"""Whether the agent that a loop waits for can run here, before anything is spent."""

from collections.abc import Mapping

from loop_kit.core.loop import second_review
from loop_kit.core.loop.effects import (
    Stop,
)
from loop_kit.core.loop.handlers import awaited_role
from loop_kit.core.loop.outcomes import DISPATCH_FAILED
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.ports import Agent, Reporter


def stop_without_agent(
    agents: Mapping[Role, Agent], state: LoopState, reporter: Reporter
) -> Stop | None:
    """Why the loop cannot continue with these agents, if it waits for one."""
    if awaited_role(state) is None:
        return None
    for role, agent in agents.items():
        why = agent.check()
        if why and second_review.is_dispensable(state.limits, role):
            reporter.warn(f"The second reviewer cannot be asked: {why}")
        elif why:
            return Stop(DISPATCH_FAILED[role.job], why)
    return None


def is_claimed(state: LoopState, role: Role) -> bool:
    """Whether an attempt of this role is recorded, so that its agent may run."""
    attempt = state.attempt
    claimed = attempt is not None and attempt.role is role and attempt.claimed
    return state.is_running and claimed
