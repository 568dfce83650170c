"""A permission that a job's token lacks costs a post, and never the work, the money or the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub

REFUSED = "loop-kit::GitHub answered 403: Resource not accessible by integration"


def test_a_token_that_may_only_push_and_dispatch_takes_a_loop_to_approval(hub: Hub) -> None:
    """Each permission that is missing is named, with the line to add, and warned of once."""
    hub.api.set_permissions("bot", {"contents": "write", "actions": "write"})

    first, second = hub.job(), hub.continued()

    log = first.log + second.log
    assert (first.code, second.code, second.outputs["outcome"]) == (0, 0, "approved"), log
    assert "Traceback" not in log
    for permission in ("pull-requests: write", "statuses: write", "checks: read"):
        named = f"Add to the job: `permissions: {permission}`."
        assert named in log
        assert log.count(f"{REFUSED} {named}") <= 1, log
