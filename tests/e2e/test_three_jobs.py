"""Claim, agents and publish, each in a job of its own, do what one job does in as many pushes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e import three_jobs

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub


def test_two_rounds_in_three_jobs_each_lead_to_approval_with_four_pushes_each(hub: Hub) -> None:
    first = three_jobs.run(hub)

    assert first.published.code == 0, first.published.log
    assert first.published.outputs["decision"] == "changes_required", first.published.log
    assert first.published.outputs["continue"] == "true"
    assert len(hub.git.pushes) == 4

    second = three_jobs.continued(hub)

    assert second.published.outputs["outcome"] == "approved", second.published.log
    assert len(hub.git.pushes) == 8
