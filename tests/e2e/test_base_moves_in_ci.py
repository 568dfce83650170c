"""The base branch moves on while a loop runs in CI, in shallow checkouts and full ones."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e import three_jobs
from tests.e2e.conftest import APPROVED, CALC, REPOSITORY, TWO_ROUNDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Hub, MakeHub

THEIRS = CALC.replace("return a - b", "return -b + a").replace("return a * 3", "return 3 * a")
BOTH = "def add(a, b):\n    return a + b\n\n\ndef double(a):\n    return 2 * a\n"


def merging() -> dict[str, Any]:
    """Round 2 finds the merge of main with its conflict, resolves it, and is approved."""
    worker, reviewer, *_ = TWO_ROUNDS["scenes"]
    steps = [
        {"run": ["sh", "-c", "git rev-parse MERGE_HEAD > merged.txt"]},
        {"write": {"path": "calc.py", "text": BOTH}},
        {"report": {"notes": "Merged", "files_changed": ["calc.py"]}},
    ]
    approved = {"role": "reviewer", "round": 2, "steps": [{"report": APPROVED}]}
    return {"scenes": [worker, reviewer, {"role": "worker", "round": 2, "steps": steps}, approved]}


@pytest.mark.parametrize("depth", [1, 0], ids=["shallow checkout", "full checkout"])
def test_a_conflict_becomes_a_round_that_merges_the_base_branch(
    make_hub: MakeHub, depth: int
) -> None:
    hub = make_hub(merging())
    hub.depth = depth
    first = hub.job()
    assert first.code == 0, first.log
    begun = hub.state()["base_sha"]
    for number in range(3):
        hub.bare.commit_files("main", {f"theirs{number}.py": "theirs = 1\n"}, "Others")
    tip = hub.bare.commit_files("main", {"calc.py": THEIRS}, "Others, too")
    pushes = len(hub.git.pushes)

    second = hub.continued()

    assert second.code == 0, second.log
    assert second.outputs["outcome"] == "approved", second.log
    assert "conflicts with main in calc.py" in second.log
    work, state = hub.bare.head("loop/T-001/work"), hub.state()
    assert hub.bare.git("rev-parse", f"{work}^2").strip() == tip
    assert hub.bare.file("loop/T-001/work", "merged.txt").decode().strip() == tip
    assert hub.bare.file("loop/T-001/work", "calc.py") == BOTH.encode()
    assert (state["base_sha"], state["diff_base"]) == (begun, tip)
    assert len(hub.git.pushes) - pushes == 4
    changed = hub.bare.git("diff", "--name-only", f"main...{work}").split()
    assert changed == ["calc.py", "merged.txt"]
    assert state["history"][-1]["files"] == 2


def approved_at_once() -> dict[str, Any]:
    """A worker that does everything in round 1, while others merge, and a reviewer who approves."""
    steps = [
        {"write": {"path": "calc.py", "text": BOTH}},
        {"commit": "Add and double"},
        {"report": {"notes": "Both", "files_changed": ["calc.py"]}},
    ]
    report = {key: value for key, value in APPROVED.items() if key != "dispositions"}
    return {
        "scenes": [
            {"role": "worker", "round": 1, "steps": steps},
            {"role": "reviewer", "round": 1, "steps": [{"report": report}]},
        ]
    }


def ask_for_tip(hub: Hub) -> None:
    """Add the rule that what is merged holds the tip of its base branch."""
    strict = {"required_status_checks": [], "strict_required_status_checks_policy": True}
    hub.api.repository(REPOSITORY).rules.append(
        {"type": "required_status_checks", "parameters": strict}
    )


def test_where_a_rule_asks_for_the_tip_it_is_merged_into_approved_work(make_hub: MakeHub) -> None:
    """In four pushes, with the verify commands run at what is approved."""
    hub = make_hub(approved_at_once())
    ask_for_tip(hub)
    moved: list[str] = []

    def others(push: object) -> None:
        if len(hub.git.pushes) == 2 and not moved:
            moved.append(hub.bare.commit_files("main", {"theirs.py": "theirs = 1\n"}, "Others"))

    hub.git.after_push.append(others)
    job = hub.job()

    assert job.code == 0, job.log
    assert job.outputs["outcome"] == "approved", job.log
    work, state = hub.bare.head("loop/T-001/work"), hub.state()
    assert hub.bare.git("rev-parse", f"{work}^2").split() == moved
    assert state["head_sha"] == state["verification"]["sha"] == work
    assert state["usage"]["rounds"] == 1
    assert len(hub.git.pushes) == 4
    assert hub.bare.git("diff", "--name-only", f"main...{work}").split() == ["calc.py"]


def test_in_three_jobs_too_a_conflict_becomes_a_round_that_merges_the_base_branch(
    make_hub: MakeHub,
) -> None:
    """In shallow checkouts, while the base branch moves on before the work is published."""
    hub = make_hub(merging())
    hub.depth = 1
    assert three_jobs.run(hub).published.code == 0
    hub.bare.commit_files("main", {"theirs.py": "theirs = 1\n"}, "Others")
    tip = hub.bare.commit_files("main", {"calc.py": THEIRS}, "Others, too")
    first, agents = three_jobs.claimed(hub)
    hub.bare.commit_files("main", {"later.py": "later = 1\n"}, "Others, later")

    job = three_jobs.later(hub, "publish", first, three_jobs.uploaded(agents))

    assert job.outputs["outcome"] == "approved", job.log
    work, state = hub.bare.head("loop/T-001/work"), hub.state()
    assert hub.bare.git("rev-parse", f"{work}^2").strip() == tip
    assert hub.bare.file("loop/T-001/work", "calc.py") == BOTH.encode()
    assert state["usage"]["rounds"] == 2
    assert hub.bare.git("diff", "--name-only", f"main...{work}").split() == [
        "calc.py",
        "merged.txt",
    ]


@pytest.mark.parametrize("names", [True, False], ids=["names it", "names main"])
@pytest.mark.parametrize("evil", [False, True], ids=["other history", "a file of git's own"])
def test_a_bundle_that_merges_anything_else_is_refused(
    make_hub: MakeHub, *, names: bool, evil: bool
) -> None:
    """As an agents' job writes it that was lost to its agents."""
    hub = make_hub(merging())
    assert three_jobs.run(hub).published.code == 0
    hub.bare.commit_files("main", {"calc.py": THEIRS}, "Others")
    first, agents = three_jobs.claimed(hub)
    before = hub.bare.head("loop/T-001/work")

    job = three_jobs.later(
        *(hub, "publish", first, three_jobs.uploaded(agents)),
        tamper=partial(merge_more, hub, names=names, evil=evil),
    )

    assert job.outputs["outcome"] == "worker_dispatch_failed", job.log
    assert "The agents' job left no usable bundle" in job.log
    assert hub.bare.head("loop/T-001/work") == before


def merge_more(hub: Hub, folder: Path, *, names: bool, evil: bool) -> None:
    """Write another bundle: its worker has merged what is not on the base branch, or more."""
    git, record = hub.bare.git, json.loads((folder / "bundle.json").read_bytes())
    mona = ("-c", "user.name=Mona", "-c", "user.email=mona@example.org")
    parent, tree = hub.bare.head("loop/T-001/work"), git("rev-parse", "main^{tree}").strip()
    theirs = git(*mona, "commit-tree", tree, "-m", "No part of main").strip()
    if evil:
        theirs, blob = record["base_tip"], git("rev-parse", "main:calc.py").strip()
        (folder / "tree").write_bytes(b"100644 .GIT\0" + bytes.fromhex(blob))
        tree = git("hash-object", "-t", "tree", "-w", "--literally", str(folder / "tree")).strip()
    both = ("-p", parent, "-p", theirs)
    head = git(*mona, "commit-tree", tree, *both, "-m", "Merge").strip()
    git("update-ref", "refs/loop-kit/work", head)
    known = (f"^{parent}", f"^{theirs}")
    git("bundle", "create", "-q", str(folder / "work.bundle"), "refs/loop-kit/work", *known)
    git("update-ref", "-d", "refs/loop-kit/work")
    record["work"]["head_sha"] = head
    record["base_tip"] = theirs if names else record["base_tip"]
    (folder / "bundle.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("theirs", "reviews"),
    [({"theirs.py": "theirs = 1\n"}, 1), ({"calc.py": "# Theirs\n" + CALC}, 2)],
    ids=["the verdict is kept", "reviewed once more"],
)
def test_in_three_jobs_too_the_tip_is_merged_where_a_rule_asks_for_it(
    make_hub: MakeHub, theirs: dict[str, str], reviews: int
) -> None:
    """What verified the merge in the agents' job counts; a merge to review waits for the next."""
    hub = make_hub(approved_at_once())
    ask_for_tip(hub)
    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub)
    tip = hub.bare.commit_files("main", theirs, "Others")
    agents = three_jobs.later(hub, "agents", first)
    job = three_jobs.later(hub, "publish", first, three_jobs.uploaded(agents))
    assert job.code == 0, job.log
    if reviews == 2:
        assert hub.state()["state"] == "awaiting_review", job.log
        job = three_jobs.continued(hub).published

    assert job.outputs["outcome"] == "approved", job.log
    work, state = hub.bare.head("loop/T-001/work"), hub.state()
    assert hub.bare.git("rev-parse", f"{work}^2").strip() == tip
    assert state["head_sha"] == state["verification"]["sha"] == work
    assert (state["usage"]["rounds"], state["usage"]["dispatches"]) == (1, reviews - 1)
    assert len(state["history"][0]["attempts"]) == 1 + reviews


def test_a_merge_that_the_agents_job_has_not_verified_waits_for_the_next(
    make_hub: MakeHub,
) -> None:
    """The base branch moves on after the agents' job: nothing in the last one can verify."""
    hub = make_hub(approved_at_once())
    ask_for_tip(hub)
    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub)
    agents = three_jobs.later(hub, "agents", first)
    tip = hub.bare.commit_files("main", {"theirs.py": "theirs = 1\n"}, "Others")
    job = three_jobs.later(hub, "publish", first, three_jobs.uploaded(agents))
    state = hub.state()
    assert (state["state"], state.get("verification")) == ("awaiting_review", None), job.log

    job = three_jobs.continued(hub).published

    assert job.outputs["outcome"] == "approved", job.log
    work, state = hub.bare.head("loop/T-001/work"), hub.state()
    assert hub.bare.git("rev-parse", f"{work}^2").strip() == tip
    assert state["head_sha"] == state["verification"]["sha"] == work


@pytest.mark.parametrize("parents", [2, 1], ids=["merge", "rebase"])
def test_what_a_person_merges_into_the_work_is_not_the_loops_own(
    make_hub: MakeHub, parents: int
) -> None:
    """As "Update branch" does it, in a shallow checkout: accepted by who starts the loop again.

    After a rebase the commit that the loop had left there is on no branch any more.
    """
    hub = make_hub()
    hub.depth = 1
    assert hub.job().code == 0
    for number in range(3):
        hub.bare.commit_files("main", {f"theirs{number}.py": "theirs = 1\n"}, "Others")
    branch, tip = "loop/T-001/work", hub.bare.head("main")
    tree = hub.bare.git("merge-tree", "--write-tree", branch, "main").strip()
    onto = ("-p", branch, "-p", "main")[-2 * parents :]
    mona = ("-c", "user.name=Mona", "-c", "user.email=mona@example.org")
    merged = hub.bare.git(*mona, "commit-tree", tree, *onto, "-m", "Merge main").strip()
    hub.bare.git("update-ref", f"refs/heads/{branch}", merged)
    assert hub.continued().code == 0
    assert hub.state()["reasons"] == ["human_push"]

    last = hub.job()

    assert last.outputs["outcome"] == "approved", last.log
    state = hub.state()
    assert (state["base_sha"] != tip, state["diff_base"]) == (True, tip)
    assert [record["files"] for record in state["history"]] == [1, 1]
