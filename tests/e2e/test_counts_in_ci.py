"""What a job costs GitHub: the numbers of docs/scale.md, counted on real jobs."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.e2e.conftest import SENT_BACK, TWO_ROUNDS, Hub, MakeHub
from tests.e2e.events import labelled
from tests.e2e.test_issues_in_ci import opened
from tests.scale.counts import COUNTED, Counts, Job

if TYPE_CHECKING:
    from collections.abc import Callable


def _counted(hub: Hub, run: Callable[[], object]) -> Job:
    requests, pushes = len(hub.api.requests), len(hub.git.pushes)
    run()
    made = hub.api.requests[requests:]
    writes = [one for one in made if one.method != "GET" and one.path != "/graphql"]
    return Job(len(made), len(writes), len(hub.git.pushes) - pushes)


def _packed(hub: Hub, branch: str) -> int:
    """The bytes of a pack with all that `branch` holds."""
    made = subprocess.run(
        ["git", "-C", hub.bare.path, "pack-objects", "--stdout", "--revs", "--quiet"],
        input=f"{branch}\n".encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    return len(made.stdout)


@pytest.fixture
def three_rounds(make_hub: MakeHub) -> Hub:
    """The loop of two rounds with one more between them."""
    scenes = [dict(scene) for scene in TWO_ROUNDS["scenes"]]
    work, review, last_work, last_review = scenes
    comment = [
        {"edit": {"path": "calc.py", "find": "def double", "replace": "# twice\ndef double"}}
    ]
    again = {
        **work,
        "round": 2,
        "steps": [
            *comment,
            {"commit": "Say"},
            {"report": {"notes": "", "files_changed": ["calc.py"]}},
        ],
    }
    still = {
        **SENT_BACK,
        "dispositions": [{"id": "F1", "status": "not_fixed"}],
        "blocking_issues": [{**SENT_BACK["blocking_issues"][0], "id": "F1"}],
    }
    hub: Hub = make_hub(
        {
            "scenes": [
                work,
                review,
                again,
                {**review, "round": 2, "steps": [{"report": still}]},
                {**last_work, "round": 3},
                {**last_review, "round": 3},
            ]
        }
    )
    return hub


def test_each_job_costs_what_the_page_on_scale_is_computed_from(three_rounds: Hub) -> None:
    hub = three_rounds
    state = "refs/heads/loop/issue-1/state"
    issue = opened(hub)

    first = _counted(hub, lambda: hub.job(event=labelled(issue)))
    one_round = _packed(hub, state)
    steady = _counted(hub, hub.continued)
    two_rounds = _packed(hub, state)
    approving = _counted(hub, hub.continued)

    assert hub.state("issue-1")["outcome"] == "approved"
    counted = Counts(
        first=first,
        steady=steady,
        approving=approving,
        refs=sum(name.startswith("loop/") for name in hub.bare.branches()),
        state_bytes=COUNTED.state_bytes,
        round_bytes=COUNTED.round_bytes,
    )
    assert counted == COUNTED
    assert abs(two_rounds - COUNTED.state_bytes) < COUNTED.state_bytes / 5
    assert abs(two_rounds - one_round - COUNTED.round_bytes) < COUNTED.round_bytes / 3
