"""A loop that is stuck in CI, mended on a person's machine, and brought back."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.conftest import REPOSITORY, TWO_ROUNDS, Hub, MakeHub
from tests.e2e.laptop import Laptop
from tests.support import programs
from tests.support.programs import LOOP


def crashing() -> dict[str, Any]:
    """The two-round script with a worker that crashes in round 2."""
    script: dict[str, Any] = copy.deepcopy(TWO_ROUNDS)
    script["scenes"][2]["steps"] = [{"crash": 65}]
    return script


@pytest.fixture
def stuck(make_hub: MakeHub) -> Hub:
    """The hub with a loop that stopped in round 2."""
    hub = make_hub(crashing())
    hub.job()
    second = hub.continued()
    assert second.outputs["outcome"] == "worker_dispatch_failed", second.log
    return hub


def laptop_with(hub: Hub, folder: Path, *options: str) -> Laptop:
    """A clone, and beside it the mended script."""
    made = Laptop.of(hub, folder, *options)
    script = folder / "mended.yml"
    script.write_text(yaml.safe_dump(TWO_ROUNDS), "utf-8")
    return made


def mended(laptop: Laptop, **env: str) -> None:
    """Resume with the mended script, to the approval."""
    script = str(laptop.root.parent / "mended.yml")
    args = {"LOOP_WORKER_ARGS": script, "LOOP_REVIEWER_ARGS": script}
    done = laptop.resume(**args, **env)
    assert done.code == 0, done.text
    assert laptop.state["outcome"] == "approved"


def reviews(hub: Hub) -> list[str]:
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    return [review.body.splitlines()[0] for review in pull.reviews]


BOTH = [f"<!-- loop-kit:T-001:review-r{n} -->" for n in (1, 2)]


def test_with_a_token_the_pull_request_gets_its_reviews_from_the_laptop(
    stuck: Hub, tmp_path: Path
) -> None:
    laptop = laptop_with(stuck, tmp_path / "laptop")
    assert laptop.loop("fetch", "T-001", "--switch").code == 0
    mended(laptop)
    pushes = len(stuck.git.pushes)

    done = laptop.loop("publish", env=laptop.token)

    assert done.code == 0, done.text
    assert reviews(stuck) == BOTH
    (pull,) = stuck.api.repository(REPOSITORY).pulls.values()
    assert not pull.draft
    assert stuck.state()["outcome"] == "approved"
    assert "lease" not in stuck.state()
    assert {item["status"] for item in stuck.state()["outbox"]} == {"done"}
    assert len(stuck.git.pushes) == pushes + 2

    requests = stuck.api.count("POST")
    again = laptop.loop("publish", "--json", env=laptop.token)
    assert json.loads(again.out)["pushed"] is False
    assert (len(stuck.git.pushes), stuck.api.count("POST")) == (pushes + 2, requests)
    assert "use a new task id" in stuck.job(task_id="T-001").log


def test_without_a_token_the_next_job_makes_the_posts(stuck: Hub, tmp_path: Path) -> None:
    laptop = laptop_with(stuck, tmp_path / "laptop", "--depth=1")
    assert laptop.loop("fetch", "T-001").code == 0
    mended(laptop, LOOP_ISOLATION="clone")
    pushes = len(stuck.git.pushes)

    done = laptop.loop("publish")

    assert done.code == 0, done.text
    assert "the next job makes them" in done.out
    assert len(stuck.git.pushes) == pushes + 1
    assert reviews(stuck) == BOTH[:1]

    job = stuck.job(task_id="T-001")

    assert job.outputs["outcome"] == "approved", job.log
    assert reviews(stuck) == BOTH
    assert stuck.bare.head("loop/T-001/work") == stuck.state()["head_sha"]


def test_a_publication_that_is_killed_after_its_push_is_completed_by_the_next(
    stuck: Hub, tmp_path: Path
) -> None:
    laptop = laptop_with(stuck, tmp_path / "laptop")
    assert laptop.loop("fetch", "T-001", "--switch").code == 0
    mended(laptop)
    environ = {**laptop.environ, **laptop.token}
    with (tmp_path / "log").open("wb") as log:
        child = programs.start([LOOP, "publish"], cwd=laptop.root, env=environ, log=log)
    stuck.git.after_push.append(lambda _: child.kill())
    assert child.wait(timeout=60) == -9
    stuck.git.after_push.clear()
    assert "lease" in stuck.state()

    done = laptop.loop("publish", env=laptop.token)

    assert done.code == 0, done.text
    assert reviews(stuck) == BOTH
    assert stuck.state()["outcome"] == "approved"
    assert "lease" not in stuck.state()
    assert laptop.state == stuck.state()


def test_a_job_at_work_is_waited_for_and_a_dead_one_is_taken_over(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = make_hub()
    killed = hub.job(kill_after_push=1)
    hub.git.after_push.clear()
    run = killed.checkout.parent.name
    hub.api.set_run(REPOSITORY, int(run), "in_progress")
    laptop = laptop_with(hub, tmp_path / "laptop")
    fetched = laptop.loop("fetch", "T-001", "--switch", env=laptop.token)
    assert f"run {run} is at work" in fetched.out, fetched.text
    mended(laptop)

    refused = laptop.loop("publish", env=laptop.token)
    assert refused.code == 5
    assert f"Run {run} is at work" in refused.err

    hub.end_run(run)
    done = laptop.loop("publish", env=laptop.token)
    assert done.code == 0, done.text
    assert reviews(hub) == BOTH
    assert hub.state()["outcome"] == "approved"


def test_the_next_round_is_handed_to_ci_once(make_hub: MakeHub, tmp_path: Path) -> None:
    hub = make_hub()
    killed = hub.job(kill_after_push=1)
    hub.git.after_push.clear()
    hub.end_run(killed.checkout.parent.name)
    laptop = laptop_with(hub, tmp_path / "laptop")
    assert laptop.loop("fetch", "T-001", "--switch").code == 0
    script = str(laptop.root.parent / "mended.yml")
    args = {"LOOP_WORKER_ARGS": script, "LOOP_REVIEWER_ARGS": script}
    single = ("run", "--auto-dispatch", "--single-round", "--round", "1")
    assert laptop.loop(*single, env=args).code == 0
    assert laptop.state["state"] == "awaiting_work"

    done = laptop.loop("publish", "--continue", env=laptop.token)
    assert done.code == 0, done.text
    assert "Round 2 is started in CI." in done.out
    assert reviews(hub) == BOTH[:1]
    again = laptop.loop("publish", "--continue", env=laptop.token)
    assert again.code == 0, again.text
    assert len(hub.api.dispatches) == 1

    second = hub.continued()
    assert second.outputs["outcome"] == "approved", second.log
    assert reviews(hub) == BOTH
    refused = laptop.loop("publish", env=laptop.token)
    assert refused.code == 5
    assert "moved on in CI" in refused.err


def test_posts_that_the_api_does_not_take_stay_outstanding(stuck: Hub, tmp_path: Path) -> None:
    laptop = laptop_with(stuck, tmp_path / "laptop")
    assert laptop.loop("fetch", "T-001", "--switch").code == 0
    mended(laptop)
    stuck.api.fail_next("POST", r"/reviews$", status=503, times=3)

    done = laptop.loop("publish", env=laptop.token)

    assert done.code == 6, done.text
    assert "stay outstanding" in done.err
    assert stuck.state()["outcome"] == "approved"
    assert "lease" not in stuck.state()
    assert laptop.loop("publish", env=laptop.token).code == 0
    assert reviews(stuck) == BOTH
