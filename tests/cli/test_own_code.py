"""Whose code runs: never a module of the user's repository, and always what is on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.harness import TWO_ROUNDS, Repo, Steps, own_copy

DONE: Steps = [{"write": {"calc.py": "VALUE = 1\n"}}, {"commit": "Value"}, {"report": {}}]
TRAP = "raise SystemExit('the module of the repository was imported')\n"


def plant(repo: Repo) -> None:
    for name in ("json.py", "yaml.py", "types.py", "loop_kit/__init__.py", "sitecustomize.py"):
        path = repo.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(TRAP)
    repo.git("add", "--all", "--", ":!.loop")
    repo.git("commit", "--quiet", "-m", "Traps")


def test_modules_in_the_repository_are_not_imported(repo: Repo) -> None:
    plant(repo)
    (repo.folder / "config.yaml").write_text("max_rounds: 3\n")
    repo.plan(TWO_ROUNDS)
    assert repo.run().code == 0
    for args in (("status",), ("init",), ("--version",)):
        assert repo.loop(*args).code == 0


@pytest.mark.parametrize("by", ["default", "task", "resume", "reset"])
def test_round_two_runs_the_code_that_round_one_wrote(repo: Repo, tmp_path: Path, by: str) -> None:
    plant(repo)
    command = own_copy(repo, tmp_path / "copy")
    edit = 'echo "Sing as you work." >> "$FAKE_CODE/defaults/roles/code-writer.md"'
    code = 'echo "print(\'new code is here\', flush=True)" >> "$FAKE_CODE/cli/run.py"'
    repo.plan({**TWO_ROUNDS, "worker/1": [{"sh": f"{edit}; {code}"}, *DONE]})
    if by == "task":
        repo.card("card.json", task_id="T-001")
        command += ["--task", "card.json"]
    if by == "reset":
        command += ["--reset"]
    if by == "resume":
        assert repo.run("--resume").code == 5
        start = [*command, "--dispatch-retries", "0"]
        repo.plan({"worker": [{"exit": 1}]})
        assert repo.execute(start).code == 2
        repo.plan({**TWO_ROUNDS, "worker/1": [{"sh": f"{edit}; {code}"}, *DONE]})
        command += ["--resume"]
    done = repo.execute(command)
    assert done.code == 0, done.text
    assert done.out.count("new code is here") == 1
    assert [call.role for call in repo.calls[-4:]] == ["worker", "reviewer", "worker", "reviewer"]
    assert "Sing as you work." not in repo.calls[-4].stdin
    assert "Sing as you work." in repo.calls[-2].stdin
    assert (repo.state["state"], repo.state["round"]) == ("done", 2)


def test_rounds_run_in_one_process_while_the_code_stays_as_it_is(repo: Repo) -> None:
    repo.plan(TWO_ROUNDS)
    assert repo.run().code == 0
    assert len({call.parent for call in repo.calls}) == 1
