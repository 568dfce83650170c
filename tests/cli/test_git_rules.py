"""The user's repository: what a run may touch, where it works, and what it commits."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.harness import SENT_BACK, Repo, Result, Steps, assert_refused

DONE: Steps = [{"write": {"calc.py": "VALUE = 1\n"}}, {"commit": "Value"}, {"report": {}}]
WORK = "loop/T-001/work"
LEFT: Steps = [{"write": {"calc.py": "VALUE = 1\n", "new/a b.py": "A = 1\n"}}, {"report": {}}]


def committed(repo: Repo, since: str = "HEAD~1") -> list[str]:
    return repo.git("diff", "--name-only", "-z", since, "HEAD").strip("\x00").split("\x00")


def test_a_modified_tracked_file_stops_the_run_before_any_agent(repo: Repo) -> None:
    (repo.root / "calc.py").write_text("mine\n")
    result = repo.run()
    assert_refused(result, 4, "calc.py", "--allow-dirty")
    assert repo.names == []
    assert not (repo.folder / "state.json").exists()
    assert (repo.root / "calc.py").read_text() == "mine\n"


def test_a_dirty_file_is_named_as_it_is(repo: Repo) -> None:
    names = ['a "b" c.txt', "ü.txt", "tab\tx.txt"]
    for name in names:
        (repo.root / name).write_text("1")
    repo.git("add", "--", *names)
    repo.git("commit", "--quiet", "-m", "names")
    for name in names:
        (repo.root / name).write_text("2")
    repo.git("mv", "README.md", "READ ME.md")
    assert_refused(repo.run(), 4, 'a "b" c.txt', "ü.txt", "tab\\tx.txt", "\n  READ ME.md")


def test_with_allow_dirty_the_agents_start_from_head_and_the_changes_stay(repo: Repo) -> None:
    base = repo.head
    (repo.root / "README.md").write_text("mine\n")
    (repo.root / "calc.py").write_text("VALUE = 0\n# staged\n")
    (repo.root / ".env").write_text("KEY=1\n")
    repo.git("add", "calc.py")
    looks = 'cat README.md calc.py > "$FAKE_DIR/seen"; test ! -e .env; git add -A'
    repo.plan({"worker": [{"sh": looks}, {"write": {"new.py": "A = 1\n"}}, {"report": {}}]})
    result = repo.run("--allow-dirty")
    assert result.code == 0, result.text
    assert "do not see .env, README.md, calc.py. Proceeding." in result.text
    assert (repo.fake / "seen").read_text() == "VALUE = 0\n" * 2
    assert repo.git("diff", "--name-only", base, WORK) == "new.py"
    assert repo.head == base
    assert repo.git("status", "--porcelain", "--untracked-files=no").splitlines() == [
        "M README.md",
        "M  calc.py",
    ]


def test_untracked_files_and_the_loops_own_do_not_count_and_are_never_committed(
    repo: Repo,
) -> None:
    (repo.root / "notes.txt").write_text("mine\n")
    (repo.folder / "config.yaml").write_text("max_rounds: 2\n")
    repo.plan({"worker": LEFT})
    assert repo.run().code == 0
    assert committed(repo) == ["calc.py", "new/a b.py"]
    assert (repo.root / "notes.txt").read_text() == "mine\n"


def test_what_the_worker_leaves_uncommitted_is_committed_for_it(repo: Repo) -> None:
    repo.plan({"worker": [{"sh": "git rm -q README.md; ln -s calc.py link"}, *LEFT]})
    assert repo.run().code == 0
    assert committed(repo) == ["README.md", "calc.py", "link", "new/a b.py"]
    assert repo.state["head_sha"] == repo.head
    assert repo.git("status", "--porcelain", "--untracked-files=no") == ""
    assert "uncommitted" in repo.git("log", "-1", "--format=%s")


def test_what_tools_leave_is_named_and_more_files_than_the_flag_says_go_back(repo: Repo) -> None:
    many = {f"many/{n}.txt": "x\n" for n in range(3)}
    repo.plan({"worker": [{"write": {**many, "debug.log": "x\n"}}, {"report": {}}]})
    result = repo.run("--max-leftovers", "2")
    assert result.code == 3, result.text
    assert "leave such files: debug.log." in result.out
    assert "3 new files are not committed, more than max-leftovers (2)" in repo.state["error"]
    assert repo.names == ["worker/1/1", "worker/1/2"]

    assert repo.run("--max-leftovers", "3").code == 0
    assert committed(repo) == sorted(many)


def test_the_head_is_read_from_git_and_not_from_the_report(repo: Repo) -> None:
    repo.plan({"worker": [*DONE[:2], {"report": {"head_sha": "0" * 40}}]})
    assert repo.run().code == 0
    assert repo.state["head_sha"] == repo.head
    assert repo.json("review_request.json")["head_sha"] == repo.head


@pytest.mark.parametrize("step", [{"report": {}}, {"commit": "Nothing"}])
def test_an_unchanged_tree_is_a_noop(repo: Repo, step: dict[str, object]) -> None:
    repo.plan({"worker": [step, {"report": {}}]})
    assert repo.run().code == 3
    assert repo.names == ["worker/1/1"]
    assert repo.ended == ("done", "worker_noop")
    assert repo.state["resume_phase"] == "awaiting_work"


def test_rewritten_history_is_sent_back_once_and_then_ends_the_run(repo: Repo) -> None:
    rewrite = 'echo "VALUE = $LOOP_ATTEMPT" > calc.py; git commit -qa --amend -m Rewritten'
    repo.plan({"worker": [{"sh": rewrite}, {"report": {}}]})
    result = repo.run()
    assert result.code == 3, result.text
    assert repo.names == ["worker/1/1", "worker/1/2"]
    assert "history was rewritten" in repo.calls[1].stdin
    assert repo.ended == ("done", "git_compare_failed")
    assert repo.state["resume_phase"] == "awaiting_work"


def test_rewritten_history_can_be_repaired_by_the_worker(repo: Repo) -> None:
    rewrite = "echo VALUE = 1 > calc.py; git commit -qa --amend -m Rewritten"
    fix = 'git reset -q --soft "$LOOP_BASE_SHA"; git commit -q -m Repaired'
    repo.plan(
        {
            "worker/1/1": [{"sh": rewrite}, {"report": {}}],
            "worker/1/2": [{"sh": fix}, {"report": {}}],
        }
    )
    result = repo.run()
    assert result.code == 0, result.text
    assert repo.git("rev-parse", "HEAD~1") == repo.state["base_sha"]


def test_a_worker_may_add_everything_after_init(repo: Repo) -> None:
    assert repo.loop("init").code == 0
    (repo.folder / "config.yaml").write_text("max_rounds: 2\n")
    add = "echo VALUE = 1 > calc.py; git add -A; git commit -q --allow-empty -m All"
    repo.plan({"worker": [{"sh": add}, {"report": {}}]})
    result = repo.run()
    assert result.code == 0, result.text
    assert committed(repo) == ["calc.py"]
    assert repo.names == ["worker/1/1", "reviewer/1/1"]


def test_a_worker_that_cleans_the_tree_does_not_break_the_run(repo: Repo) -> None:
    clean = 'git clean -qfdx; mkdir -p "$LOOP_MAILBOX"'
    repo.plan({"worker/1": [{"sh": clean}, *DONE], "reviewer/1": SENT_BACK})
    result = repo.run()
    assert result.code == 0, result.text
    assert repo.ended == ("done", "approved")


def test_generated_files_are_hidden_from_git_and_the_users_are_not(repo: Repo) -> None:
    exclude = repo.root / ".git" / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.write_text("*.bak")
    (repo.folder / "config.yaml").write_text("max_rounds: 2\n")
    for name in ("tasks/T-2.json", "templates/x.txt"):
        repo.card(f".loop/{name}")
    repo.plan({"worker": [{"sh": f'cp {exclude} "$FAKE_DIR/during"'}, *DONE]})
    assert repo.run().code == 0
    assert repo.run().code == 3
    lines = exclude.read_text().splitlines()
    assert lines[0] == "*.bak"
    assert "/.loop/state.json" in lines
    assert len(lines) == len(set(lines))
    assert "/.loop/task_card.json" not in lines
    assert "/.loop/task_card.json" in (repo.fake / "during").read_text().splitlines()
    assert repo.git("status", "--porcelain", "--untracked-files=all").splitlines() == [
        "?? .loop/config.yaml",
        "?? .loop/task_card.json",
        "?? .loop/tasks/T-2.json",
        "?? .loop/templates/x.txt",
    ]


@pytest.mark.parametrize("tracked", [True, False])
def test_the_users_card_is_never_rewritten(repo: Repo, tracked: bool) -> None:
    path = repo.card()
    path.write_bytes(b'{"goal":"g",\r\n  "task_id":  "T-001" , "status": "todo"}')
    if tracked:
        repo.git("add", "-f", ".loop/task_card.json")
        repo.git("commit", "--quiet", "-m", "card")
    before = path.read_bytes()
    assert repo.run().code == 0
    assert path.read_bytes() == before
    repo.plan({"worker": [{"exit": 1}]})
    assert repo.run("--dispatch-retries", "0").code == 2
    assert path.read_bytes() == before


def test_a_card_from_elsewhere_stays_as_it_is_and_is_copied(repo: Repo) -> None:
    (repo.folder / "task_card.json").unlink()
    path = repo.root / "cards" / "one.yaml"
    path.parent.mkdir()
    path.write_text("# mine\ntask_id: T-7\ngoal: Make it right.\n")
    assert repo.run("--task", "cards/one.yaml").code == 0
    assert path.read_text() == "# mine\ntask_id: T-7\ngoal: Make it right.\n"
    assert repo.json("task_card.json")["status"] == "done"
    assert repo.state["task_id"] == "T-7"


def assert_approved(repo: Repo, result: Result) -> None:
    assert result.code == 0, result.text
    assert repo.ended == ("done", "approved")
    assert not [call.cwd for call in repo.calls if Path(call.cwd).is_relative_to(repo.root)]


def test_a_run_from_a_subfolder_finds_the_root(repo: Repo) -> None:
    below = repo.root / "src" / "deep"
    below.mkdir(parents=True)
    assert_approved(repo, repo.run(cwd=below))
    assert not (below / ".loop").exists()
    assert "State: done" in repo.loop("status", cwd=below).out
    repo.card("src/deep/card.json", task_id="T-SUB")
    repo.plan({"worker": [{"write": {"calc.py": "VALUE = 9\n"}}, {"report": {}}]})
    assert_approved(repo, repo.run("--task", "card.json", cwd=below))


def test_a_run_on_a_detached_head_works(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "--detach")
    main = repo.git("rev-parse", "main")
    assert_approved(repo, repo.run())
    assert repo.git("rev-parse", "main") == main == repo.head
    assert repo.state["head_sha"] == repo.git("rev-parse", WORK)


def test_a_run_in_a_linked_work_tree_works(repo: Repo) -> None:
    main, tree = repo.head, repo.root.parent / "linked tree ü"
    repo.git("worktree", "add", "--quiet", "-b", "side", str(tree))
    repo.root = tree
    repo.card(verify=["grep VALUE calc.py"])
    assert repo.loop("init").code == 0
    (tree / "README.md").write_text("mine\n")
    assert_refused(repo.run(), 4, "README.md")
    repo.git("checkout", "--quiet", "README.md")
    assert_approved(repo, repo.run())
    assert repo.git("rev-parse", "main") == main
    assert ".loop/state.json" not in repo.git("status", "--porcelain", "--untracked-files=all")


def test_a_run_in_a_shallow_clone_works(repo: Repo) -> None:
    shallow = repo.root.parent / "shallow"
    repo.git("clone", "--quiet", "--depth=1", f"file://{repo.root}", str(shallow))
    repo.root = shallow
    repo.card(verify=["grep VALUE calc.py"])
    assert_approved(repo, repo.run())


@pytest.mark.parametrize("where", ["my-loop", "../outside", "absolute"])
def test_another_loop_folder_takes_every_file(repo: Repo, where: str) -> None:
    given = str(repo.root.parent / "far away") if where == "absolute" else where
    folder = (repo.root / given).resolve()
    (repo.folder / "task_card.json").unlink()
    repo.folder.rmdir()
    assert repo.loop("init", "--loop-dir", given).code == 0
    assert (folder / "templates" / "worker_prompt.txt").is_file()
    repo.card(f"{given}/task_card.json")
    repo.plan({"worker": LEFT})
    result = repo.run("--loop-dir", given)
    assert result.code == 0, result.text
    assert not repo.folder.exists()
    names = repo.tree(folder)
    for name in ("state.json", "summary.json", "lock", "logs/feed.jsonl", "work_report.json"):
        assert name in names
    assert "archive/T-001/r1_review_report.json" in names
    assert committed(repo) == ["calc.py", "new/a b.py"]
    assert "State: done" in repo.loop("status", "--loop-dir", given).out
    if where != "my-loop":
        assert str(folder) in repo.calls[0].stdin
