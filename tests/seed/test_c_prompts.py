"""C. Prompts and templates: what reaches an agent on its standard input."""

from __future__ import annotations

import re

import pytest
from tests.cli.harness import TWO_ROUNDS, Repo, Steps
from tests.seed.conftest import NewRepo
from tests.seed.helpers import WORK

CARD = {
    "goal": "Make VALUE right.",
    "in_scope": ["calc.py", "the tests of calc"],
    "acceptance_criteria": ["VALUE is 2", "VALUE is whole"],
    "constraints": ["keep it short"],
}
OWN = {
    "AGENTS.md": "Always whistle.",
    "docs/roles/code-writer.md": "You write code with a quill.",
    "docs/roles/reviewer.md": "You read code by candle light.",
}


def commit(repo: Repo, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = repo.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    repo.git("add", "--", *files)
    repo.git("commit", "--quiet", "-m", "Instructions")


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory, new_repo: NewRepo) -> Repo:
    """Two rounds in a repository with instructions of its own; most tests only look at it."""
    repo = new_repo(tmp_path_factory.mktemp("prompts"))
    commit(repo, OWN)
    repo.card(task_id="T-603", **CARD)
    work: Steps = [*WORK, {"report": {"notes": "VALUE was hard to find"}}]
    repo.plan({**TWO_ROUNDS, "worker/1": work})
    result = repo.run()
    assert result.code == 0, result.text
    return repo


def test_the_first_prompt_of_the_worker_holds_the_whole_task(approved: Repo) -> None:
    prompt = approved.calls[0].stdin
    assert "Current task_id: T-603, round: 1." in prompt.splitlines()
    for text in (
        *(OWN["AGENTS.md"], OWN["docs/roles/code-writer.md"], "Make VALUE right."),
        *("- calc.py", "- the tests of calc", "VALUE is 2", "VALUE is whole", "- keep it short"),
    ):
        assert text in prompt
    assert re.search(r"Out of scope:\n- <none>\n", prompt)
    assert re.search(r"\S/work_report\.json", prompt)
    assert "[high]" not in prompt


def test_the_second_prompt_of_the_worker_holds_what_was_sent_back(approved: Repo) -> None:
    prompt = approved.calls[2].stdin
    assert "Current task_id: T-603, round: 2." in prompt.splitlines()
    assert re.search(r"\[high\] calc\.py(:1)?: VALUE is wrong", prompt)
    assert "set VALUE to 2" in prompt
    assert OWN["docs/roles/code-writer.md"] in prompt
    assert OWN["AGENTS.md"] in prompt
    assert re.search(r"\S/work_report\.json", prompt)
    assert "orchestrator.py" not in prompt


def test_a_second_round_without_a_fix_list_says_so_and_runs(repo: Repo) -> None:
    repo.plan(TWO_ROUNDS)
    assert repo.run("--single-round", "--round", "1").code == 0
    (repo.folder / "fix_list.json").unlink()
    assert repo.run("--single-round", "--round", "2").code == 0
    fixes = repo.calls[2].stdin.partition("## Fix list")[2].partition("\n## ")[0]
    assert fixes.strip().startswith("None")
    assert "[high]" not in fixes
    assert repo.ended == ("done", "approved")


def test_the_second_prompt_tells_how_the_round_before_it_went(approved: Repo) -> None:
    prior = approved.calls[2].stdin.partition("## Prior round")[2].partition("## Report")[0]
    for text in ("VALUE was hard to find", "calc.py", "say why", "not yet"):
        assert text in prior
    assert approved.state["history"][0]["head_sha"] in prior


def test_a_template_of_ones_own_is_used_and_filled(repo: Repo) -> None:
    template = repo.folder / "templates" / "worker_prompt.txt"
    template.write_text("Mine for {task_id} in {round_num}: {{x}} {work_report_path}\n", "utf-8")
    assert repo.run().code == 0
    prompt = repo.calls[0].stdin
    assert prompt.startswith("Mine for T-001 in 1: {x} ")
    assert prompt.splitlines()[0].endswith("/work_report.json")
    assert "You are the Worker in a review loop" not in prompt
    assert "Current task_id" in repo.calls[1].stdin


def test_a_template_that_is_gone_is_replaced_by_the_packaged_one(repo: Repo) -> None:
    for name in ("worker_prompt.txt", "reviewer_prompt.txt"):
        (repo.folder / "templates" / name).unlink()
    result = repo.run()
    assert result.code == 0, result.text
    for call in repo.calls:
        assert "Current task_id: T-001, round: 1." in call.stdin.splitlines()
        assert len(call.stdin) > 1_000


NAMED = {
    "agents": ("task card", "work_report.json", "review_report.json"),
    "writer": ("commit", "task card", "work_report.json"),
    "reviewer": ("commit", "task card", "review_report.json"),
}


def guides(repo: Repo) -> dict[str, str]:
    """The three texts as they reach the agents, by templates that hold nothing else."""
    templates = repo.folder / "templates"
    (templates / "worker_prompt.txt").write_text("<A>{agents_md}</A><R>{role_md}</R>", "utf-8")
    (templates / "reviewer_prompt.txt").write_text("<R>{role_md}</R>", "utf-8")
    assert repo.run().code == 0
    worker, reviewer = (call.stdin for call in repo.calls)

    def between(text: str, tag: str) -> str:
        return text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]

    return {
        "agents": between(worker, "A"),
        "writer": between(worker, "R"),
        "reviewer": between(reviewer, "R"),
    }


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_instructions_that_the_project_does_not_give_come_with_the_package(
    repo: Repo, kind: str
) -> None:
    if kind == "empty":
        commit(repo, dict.fromkeys(OWN, " \n\n"))
    for name, text in guides(repo).items():
        assert len(text) >= 200, name
        for word in NAMED[name]:
            assert word in text, name


def test_the_instructions_of_the_project_win(repo: Repo) -> None:
    commit(repo, OWN)
    found = guides(repo)
    assert [found["agents"], found["writer"], found["reviewer"]] == list(OWN.values())


def test_the_prompts_of_the_reviewer_hold_its_role_and_the_round(approved: Repo) -> None:
    for round_, call in enumerate((approved.calls[1], approved.calls[3]), 1):
        assert OWN["docs/roles/reviewer.md"] in call.stdin
        assert f"Current task_id: T-603, round: {round_}." in call.stdin.splitlines()
        assert re.search(r"\S/review_report\.json", call.stdin)
