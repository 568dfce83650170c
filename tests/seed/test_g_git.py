"""G. What git must allow, how its names are shown, and diffs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.harness import PATIENCE, Repo, assert_refused
from tests.support.programs import Program

NAMES = ("a b.txt", 'say "hi".txt', "back\\slash.txt", "it's.txt", "ü.txt")


def listed(text: str) -> list[str]:
    """The file names that a refusal lists, one on each indented line."""
    return [line.strip() for line in text.splitlines() if line.startswith("  ")]


def test_a_modified_tracked_file_stops_the_run_before_any_call(repo: Repo) -> None:
    (repo.root / "calc.py").write_text("mine\n", "utf-8")
    result = repo.run()
    assert_refused(result, 4, "--allow-dirty")
    assert "calc.py" in listed(result.err)
    assert repo.names == []
    assert not (repo.folder / "state.json").exists()


def test_dirty_files_are_listed_and_the_run_proceeds_when_that_is_allowed(repo: Repo) -> None:
    (repo.root / "README.md").write_text("mine\n", "utf-8")
    result = repo.run("--allow-dirty")
    assert result.code == 0, result.text
    assert "README.md" in result.text
    assert "Proceeding" in result.text
    assert (repo.root / "README.md").read_text("utf-8") == "mine\n"


def test_untracked_files_and_the_loops_own_files_do_not_count(repo: Repo) -> None:
    (repo.root / "notes.txt").write_text("mine\n", "utf-8")
    config = repo.folder / "config.yaml"
    config.write_text("max_rounds: 2\n", "utf-8")
    repo.git("add", "-f", ".loop/config.yaml")
    repo.git("commit", "--quiet", "-m", "Configuration")
    config.write_text("max_rounds: 1\n", "utf-8")
    repo.plan({"worker": [{"write": {"calc.py": "VALUE = 1\n"}}, {"report": {}}]})
    result = repo.run()
    assert result.code == 0, result.text
    assert repo.git("diff", "--name-only", "HEAD~1", "HEAD") == "calc.py"
    assert config.read_text("utf-8") == "max_rounds: 1\n"
    assert (repo.root / "notes.txt").read_text("utf-8") == "mine\n"


def test_a_run_outside_a_repository_is_refused(repo: Repo, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    assert_refused(repo.run(cwd=bare), 1, "git")
    assert list(bare.iterdir()) == []
    assert repo.names == []


def test_dirty_files_are_listed_by_their_right_names(repo: Repo) -> None:
    for name in NAMES:
        (repo.root / name).write_text("1\n", "utf-8")
    repo.git("add", "--", *NAMES)
    repo.git("commit", "--quiet", "-m", "Names")
    for name in NAMES:
        (repo.root / name).write_text("2\n", "utf-8")
    repo.git("mv", "README.md", "READ ME.md")
    result = repo.run()
    assert result.code == 4
    assert set(NAMES) <= set(listed(result.err))
    assert "READ ME.md" in listed(result.err)


def test_a_linked_work_tree_is_a_repository_too(repo: Repo) -> None:
    tree = repo.root.parent / "linked"
    repo.git("worktree", "add", "--quiet", "-b", "side", str(tree))
    repo.root = tree
    assert (tree / ".git").is_file()
    repo.card()
    (tree / "calc.py").write_text("mine\n", "utf-8")
    refused = repo.run()
    assert refused.code == 4
    assert "calc.py" in listed(refused.err)
    repo.git("checkout", "--quiet", "calc.py")
    assert repo.run().code == 0
    assert repo.ended == ("done", "approved")


def test_a_diff_between_two_commits_is_printed(repo: Repo) -> None:
    result = repo.loop("extract-diff", "HEAD~1", "HEAD")
    assert result.code == 0
    assert result.out.startswith("diff --git a/calc.py b/calc.py\n")
    assert "+VALUE = 0\n" in result.out


@pytest.mark.parametrize("refs", [("nowhere", "HEAD"), ("HEAD", "nowhere")])
def test_a_diff_of_a_commit_that_is_not_there_is_refused(repo: Repo, refs: tuple[str, str]) -> None:
    result = repo.loop("extract-diff", *refs)
    assert_refused(result, 1, "invalid git ref", "nowhere")
    assert result.out == ""


def test_a_git_call_that_hangs_is_cut_and_named(hung: Program) -> None:
    text, _ = hung.communicate(timeout=PATIENCE)
    assert hung.returncode == 1, text
    assert text.startswith("Error: `git ")
    assert "longer than 30 s" in text
    assert "Traceback" not in text
