"""A user commits to their own branch while a loop runs on their laptop."""

from __future__ import annotations

from tests.cli.harness import TWO_ROUNDS, Repo, Steps

WORK = "loop/T-001/work"
FIRST: Steps = [{"write": {"calc.py": "VALUE = 1\n"}}, {"commit": "Value"}, {"report": {}}]
MERGE: Steps = [
    {"sh": 'git rev-parse MERGE_HEAD > "$FAKE_DIR/merged"; cp calc.py "$FAKE_DIR/conflict"'},
    {"write": {"calc.py": "VALUE = 3\n"}},
    {"report": {}},
]


def test_what_conflicts_is_merged_in_a_round_and_the_users_branch_stays_as_it_is(
    repo: Repo,
) -> None:
    repo.plan({**TWO_ROUNDS, "worker/1": FIRST, "worker/2": MERGE})
    assert repo.run("--single-round", "--round", "1").code == 0
    (repo.root / "calc.py").write_text("VALUE = 2\n")
    (repo.root / "mine.py").write_text("MINE = 1\n")
    repo.git("add", "calc.py", "mine.py")
    repo.git("commit", "--quiet", "-m", "Mine")
    mine = repo.head

    result = repo.run("--resume")

    assert result.code == 0, result.text
    assert "conflicts with main in calc.py" in result.text
    assert (repo.fake / "merged").read_text().strip() == mine
    assert "<<<<<<<" in (repo.fake / "conflict").read_text()
    assert repo.git("rev-parse", f"{WORK}^2") == mine
    assert repo.git("show", f"{WORK}:calc.py") == "VALUE = 3"
    assert repo.state["diff_base"] == mine
    assert repo.git("diff", "--name-only", f"main...{WORK}") == "calc.py"
    assert repo.head == mine
    assert f"git merge --ff-only {WORK}" in result.text


def test_conflicts_that_are_left_twice_ask_the_user(repo: Repo) -> None:
    repo.plan({**TWO_ROUNDS, "worker/1": FIRST, "worker/2": [{"report": {}}]})
    assert repo.run("--single-round", "--round", "1").code == 0
    (repo.root / "calc.py").write_text("VALUE = 2\n")
    repo.git("commit", "--quiet", "--all", "-m", "Mine")

    stopped = repo.run("--resume")

    assert (stopped.code, repo.state["reasons"]) == (7, ["conflict"]), stopped.text
    assert "conflicts with main in calc.py, in two attempts" in stopped.text
    assert f"git merge {WORK}" in stopped.text
    assert repo.names == ["worker/1/1", "reviewer/1/1", "worker/2/1", "worker/2/2"]
