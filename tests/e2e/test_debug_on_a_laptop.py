"""A loop that is stuck in CI, repaired on a person's machine, and published."""

from __future__ import annotations

import copy
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.conftest import REPOSITORY, TWO_ROUNDS, Hub, MakeHub
from tests.e2e.laptop import Laptop
from tests.e2e.test_sweep_in_ci import grow_old, sweep
from tests.support import programs
from tests.support.programs import LOOP

WORK = "loop/T-001/work"


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
    assert second.outputs["record-name"] == f"loop-T-001-r{second.outputs['round']}"
    assert second.outputs["round"] == "2"
    return hub


def laptop_with(hub: Hub, folder: Path, *options: str) -> Laptop:
    """A clone, and beside it the fixed script."""
    made = Laptop.of(hub, folder, *options)
    script = folder / "fixed.yml"
    script.write_text(yaml.safe_dump(TWO_ROUNDS), "utf-8")
    return made


def repaired(laptop: Laptop, **env: str) -> None:
    """Resume with the fixed script, to the approval."""
    script = str(laptop.root.parent / "fixed.yml")
    args = {"LOOP_WORKER_ARGS": script, "LOOP_REVIEWER_ARGS": script}
    done = laptop.resume(**args, **env)
    assert done.code == 0, done.text
    assert laptop.state["outcome"] == "approved"


def reviews(hub: Hub) -> list[str]:
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    return [review.body.splitlines()[0] for review in pull.reviews]


BOTH = [f"<!-- loop-kit:T-001:review-r{n} -->" for n in (1, 2)]


def assert_posted_once(hub: Hub) -> None:
    """Every post of the approved loop was made, none twice."""
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert reviews(hub) == BOTH
    assert not pull.draft
    assert {item["status"] for item in hub.state()["outbox"]} == {"done"}
    assert "lease" not in hub.state()


@pytest.mark.parametrize("has_token", [True, False])
def test_the_posts_are_left_to_the_next_job_which_makes_them_once(
    stuck: Hub, tmp_path: Path, has_token: bool
) -> None:
    laptop = laptop_with(stuck, tmp_path / "laptop", "--depth=1")
    assert laptop.loop("fetch", "T-001").code == 0
    repaired(laptop)
    pushes, requests = len(stuck.git.pushes), stuck.api.count("POST")
    env = laptop.token if has_token else {}

    done = laptop.loop("publish", env=env)

    assert done.code == 0, done.text
    assert "for the next job or the sweep" in done.out
    assert (len(stuck.git.pushes), stuck.api.count("POST")) == (pushes + 1, requests)
    assert reviews(stuck) == BOTH[:1]
    again = laptop.loop("publish", "--json", env=env)
    assert json.loads(again.out)["pushed"] is False
    assert (len(stuck.git.pushes), stuck.api.count("POST")) == (pushes + 1, requests)

    job = stuck.job(task_id="T-001")

    assert job.outputs["outcome"] == "approved", job.log
    assert_posted_once(stuck)
    assert stuck.bare.head("loop/T-001/work") == stuck.state()["head_sha"]
    assert "use a new task id" in stuck.job(task_id="T-001").log
    assert_posted_once(stuck)


def test_the_posts_are_left_to_the_sweep_which_makes_them_once(stuck: Hub, tmp_path: Path) -> None:
    laptop = laptop_with(stuck, tmp_path / "laptop")
    assert laptop.loop("fetch", "T-001", "--switch").code == 0
    repaired(laptop)
    assert laptop.loop("publish").code == 0
    grow_old(stuck)

    swept = sweep(stuck)

    assert swept.code == 0, swept.log
    assert "1 posted" in swept.log
    assert_posted_once(stuck)
    grow_old(stuck)
    assert "1 need nothing" in sweep(stuck).log
    assert_posted_once(stuck)


@pytest.mark.parametrize("dirty", [False, True])
def test_a_person_on_the_work_branch_itself_looks_runs_and_publishes(
    stuck: Hub, tmp_path: Path, dirty: bool
) -> None:
    laptop = laptop_with(stuck, tmp_path / "laptop")
    assert laptop.loop("fetch", "T-001", "--switch").code == 0
    assert laptop.git("branch", "--show-current") == WORK
    fetched, main = laptop.git("rev-parse", "HEAD"), laptop.git("rev-parse", "main")
    assert fetched == stuck.bare.head(WORK)
    edited = laptop.root / laptop.git("ls-tree", "--name-only", "HEAD").splitlines()[-1]
    if dirty:
        edited.write_text("what I tried\n")

    script = str(laptop.root.parent / "fixed.yml")
    args = {"LOOP_WORKER_ARGS": script, "LOOP_REVIEWER_ARGS": script}
    done = laptop.resume(*(("--allow-dirty",) if dirty else ()), **args)

    assert done.code == 0, done.text
    head = laptop.state["head_sha"]
    assert laptop.git("rev-parse", "refs/loop/T-001/work") == head
    assert laptop.git("rev-parse", "HEAD") == laptop.git("rev-parse", f"refs/heads/{WORK}")
    assert laptop.git("rev-parse", "HEAD") == (fetched if dirty else head)
    published = laptop.loop("publish")
    assert published.code == 0, published.text
    assert stuck.bare.head(WORK) == head == stuck.state()["head_sha"]
    assert laptop.git("rev-parse", "main") == main
    if dirty:
        assert edited.read_text() == "what I tried\n"
        edited.write_text(laptop.git("show", f"HEAD:{edited.name}") + "\n")
        command = done.out.partition("Take the work with:")[2].strip().splitlines()[0]
        laptop.git(*shlex.split(command)[1:])
        assert laptop.git("rev-parse", f"refs/heads/{WORK}") == head
    assert stuck.job(task_id="T-001").outputs["outcome"] == "approved"
    assert_posted_once(stuck)


def test_a_publication_that_is_killed_after_its_push_is_completed_by_the_next(
    stuck: Hub, tmp_path: Path
) -> None:
    laptop = laptop_with(stuck, tmp_path / "laptop")
    assert laptop.loop("fetch", "T-001", "--switch").code == 0
    repaired(laptop)
    with (tmp_path / "log").open("wb") as log:
        child = programs.start([LOOP, "publish"], cwd=laptop.root, env=laptop.environ, log=log)
    stuck.git.after_push.append(lambda _: child.kill())
    assert child.wait(timeout=60) == -9
    stuck.git.after_push.clear()
    assert laptop.state != stuck.state()
    pushes = len(stuck.git.pushes)

    done = laptop.loop("publish")

    assert done.code == 0, done.text
    assert stuck.state()["outcome"] == "approved"
    assert laptop.state == stuck.state()
    assert len(stuck.git.pushes) == pushes
    stuck.job(task_id="T-001")
    assert_posted_once(stuck)


def test_a_running_job_is_waited_for_and_a_dead_one_is_taken_over(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = make_hub()
    killed = hub.job(kill_after_push=1)
    hub.git.after_push.clear()
    run = killed.checkout.parent.name
    hub.api.set_run(REPOSITORY, int(run), "in_progress")
    laptop = laptop_with(hub, tmp_path / "laptop")
    fetched = laptop.loop("fetch", "T-001", "--switch", env=laptop.token)
    assert f"run {run} is running" in fetched.out, fetched.text
    repaired(laptop)

    refused = laptop.loop("publish", env=laptop.token)
    assert refused.code == 5
    assert f"Run {run} is running" in refused.err

    hub.end_run(run)
    done = laptop.loop("publish", env=laptop.token)
    assert done.code == 0, done.text
    assert hub.state()["outcome"] == "approved"
    job = hub.job(task_id="T-001")
    assert job.outputs, job.log
    assert_posted_once(hub)


@pytest.fixture
def halfway(make_hub: MakeHub, tmp_path: Path) -> Laptop:
    """A laptop with a loop whose first round was run there, after its job died."""
    hub = make_hub()
    killed = hub.job(kill_after_push=1)
    hub.git.after_push.clear()
    hub.end_run(killed.checkout.parent.name)
    laptop = laptop_with(hub, tmp_path / "laptop")
    assert laptop.loop("fetch", "T-001", "--switch").code == 0
    script = str(laptop.root.parent / "fixed.yml")
    args = {"LOOP_WORKER_ARGS": script, "LOOP_REVIEWER_ARGS": script}
    single = ("run", "--auto-dispatch", "--single-round", "--round", "1")
    assert laptop.loop(*single, env=args).code == 0
    assert laptop.state["state"] == "awaiting_work"
    return laptop


def test_the_next_round_is_handed_to_ci_once(halfway: Laptop) -> None:
    laptop, hub = halfway, halfway.hub
    done = laptop.loop("publish", "--continue", env=laptop.token)
    assert done.code == 0, done.text
    assert "Round 2 is started in CI." in done.out
    state = hub.state()
    (dispatch,) = hub.api.dispatches
    assert (dispatch.workflow, dispatch.ref) == ("loop.yml", "main")
    assert dispatch.inputs["expected-state"] == str(state["seq"])
    assert (state["continue_to"], state["usage"]["dispatches"]) == (2, 1)
    again = laptop.loop("publish", "--continue", env=laptop.token)
    assert again.code == 0, again.text
    assert len(hub.api.dispatches) == 1

    second = hub.continued()
    assert second.outputs["outcome"] == "approved", second.log
    assert_posted_once(hub)
    refused = laptop.loop("publish", env=laptop.token)
    assert refused.code == 5
    assert "changed in CI" in refused.err


def test_a_dispatch_that_the_api_does_not_take_is_repeated_by_the_next_call(
    halfway: Laptop,
) -> None:
    laptop, hub = halfway, halfway.hub
    hub.api.fail_next("POST", r"/dispatches$", status=422)
    refused = laptop.loop("publish", "--continue", env=laptop.token)
    assert refused.code == 6, refused.text
    published = hub.state()

    done = laptop.loop("publish", "--continue", env=laptop.token)

    assert done.code == 0, done.text
    assert hub.state() == published
    (dispatch,) = hub.api.dispatches
    assert dispatch.inputs["expected-state"] == str(published["seq"])
    assert hub.continued().outputs["outcome"] == "approved"


def test_the_next_round_can_be_started_after_the_loop_was_published(halfway: Laptop) -> None:
    laptop, hub = halfway, halfway.hub
    assert laptop.loop("publish", env=laptop.token).code == 0
    assert hub.api.dispatches == []
    done = laptop.loop("publish", "--continue", env=laptop.token)
    assert done.code == 0, done.text
    assert (hub.state()["continue_to"], laptop.state["continue_to"]) == (2, 2)
    assert hub.continued().outputs["outcome"] == "approved"


def test_without_a_token_the_command_that_starts_the_next_round_is_printed(
    halfway: Laptop,
) -> None:
    laptop, hub = halfway, halfway.hub
    assert laptop.loop("publish", env=laptop.token).code == 0
    done = laptop.loop("publish", "--continue", "--workflow", "my rounds.yml")
    assert done.code == 0, done.text
    assert hub.bare.head("loop/T-001/work") == hub.state()["head_sha"] == laptop.state["head_sha"]
    assert ("continue_to" in hub.state(), hub.state()["round"]) == (False, 2)
    assert "Round 2 was not started: " in done.out
    command = "gh workflow run 'my rounds.yml' -f task-id=T-001"
    assert f"Start the next round with: {command}\n" in done.out


def test_the_dispatches_from_a_laptop_are_capped_as_those_of_a_job(halfway: Laptop) -> None:
    laptop, hub = halfway, halfway.hub
    path = laptop.root / ".loop" / "state.json"
    used = {"usage": {**laptop.state["usage"], "dispatches": 20}}
    path.write_text(json.dumps({**laptop.state, **used}))
    pushes = len(hub.git.pushes)
    refused = laptop.loop("publish", "--continue", env=laptop.token)
    assert refused.code == 5
    assert "All 20 dispatches of T-001 are used" in refused.err
    assert (len(hub.git.pushes), hub.api.dispatches) == (pushes, [])
