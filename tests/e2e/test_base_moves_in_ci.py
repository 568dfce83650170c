"""The base branch moves on while a loop runs in CI, in shallow checkouts and full ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e import three_jobs
from tests.e2e.conftest import APPROVED, CALC, REPOSITORY, TWO_ROUNDS

if TYPE_CHECKING:
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


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ({"theirs.py": "theirs = 1\n"}, "is behind main"),
        ({"calc.py": THEIRS}, "conflicts with main"),
    ],
    ids=["behind", "conflict"],
)
def test_what_the_publish_job_approves_is_what_the_agents_job_reviewed(
    make_hub: MakeHub, theirs: dict[str, str], said: str
) -> None:
    """Whatever limits the loop had before: nothing in that job reviews or verifies a merge."""
    hub = make_hub(approved_at_once())
    ask_for_tip(hub)
    three_jobs.admit_reader(hub)
    first = three_jobs.claim(hub)
    state = hub.state()
    state["limits"]["update_branch"] = "when-needed"
    hub.bare.commit_files(first.outputs["state-branch"], {"state.json": json.dumps(state)}, "Old")
    agents = three_jobs.later(hub, "agents", first)
    hub.bare.commit_files("main", theirs, "Others")

    job = three_jobs.later(hub, "publish", first, three_jobs.uploaded(agents))

    assert job.outputs["outcome"] == "approved", job.log
    work, state = hub.bare.head("loop/T-001/work"), hub.state()
    assert work == state["history"][0]["head_sha"] == job.outputs["head-sha"]
    assert hub.bare.git("rev-list", "--merges", work) == ""
    assert any(said in rule["text"] for rule in state["history"][0]["rules"])


def test_what_a_person_merges_into_the_work_is_not_the_loops_own(make_hub: MakeHub) -> None:
    """As "Update branch" does it, in a shallow checkout: accepted by who starts the loop again."""
    hub = make_hub()
    hub.depth = 1
    assert hub.job().code == 0
    for number in range(3):
        hub.bare.commit_files("main", {f"theirs{number}.py": "theirs = 1\n"}, "Others")
    branch, tip = "loop/T-001/work", hub.bare.head("main")
    tree = hub.bare.git("merge-tree", "--write-tree", branch, "main").strip()
    both = ("-p", branch, "-p", "main")
    mona = ("-c", "user.name=Mona", "-c", "user.email=mona@example.org")
    merged = hub.bare.git(*mona, "commit-tree", tree, *both, "-m", "Merge main").strip()
    hub.bare.git("update-ref", f"refs/heads/{branch}", merged)
    assert hub.continued().code == 0
    assert hub.state()["reasons"] == ["human_push"]

    last = hub.job()

    assert last.outputs["outcome"] == "approved", last.log
    state = hub.state()
    assert (state["base_sha"] != tip, state["diff_base"]) == (True, tip)
    assert [record["files"] for record in state["history"]] == [1, 1]
