"""What is said of a second reviewer before it is asked."""

from __future__ import annotations

import pytest
from tests.fakes import RecordingReporter

from loop_kit.adapters.agents.second_reviewer import MissingAgent, report_same_model
from loop_kit.core.agent.role import Role
from loop_kit.settings import Settings


@pytest.mark.parametrize(
    ("second", "is_same"),
    [("command", True), ("command:review --deep", True), ("command:other-review", False)],
)
def test_only_the_same_command_is_called_the_same_model(second: str, is_same: bool) -> None:
    settings = Settings(reviewer_command=("review", "--deep"), second_reviewer=second)
    agents = {role: MissingAgent("command", "") for role in (Role.REVIEWER, Role.SECOND_REVIEWER)}
    reporter = RecordingReporter()

    report_same_model(settings, agents, reporter)

    assert bool(reporter.notes) is is_same
