"""Nothing of the user's changes while agents work, and approved work reaches their branch."""

from __future__ import annotations

import shlex
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.harness import SENT_BACK, TWO_ROUNDS, Repo, Steps, ended_by
from tests.support.programs import Program

WORK = "loop/T-001/work"
WAITS: Steps = [{"gate": "agent"}, {"report": {}}]
RIGHT: Steps = [{"write": {"calc.py": "VALUE = 1\n"}}, {"commit": "Value"}]
WORKER_WAITS: dict[str, Steps] = {"worker": [*RIGHT, *WAITS]}
REVIEWER_WAITS: dict[str, Steps] = {"reviewer": WAITS}


def users(repo: Repo) -> tuple[str, ...]:
    """Everything of the user's, with the bytes of the index and the configuration."""
    refs = repo.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    own = [ref for ref in refs if not ref.startswith(("refs/heads/loop/", "refs/loop-kit/"))]
    files = [repo.root / ".git" / name for name in ("index", "config", "HEAD")]
    tree = sorted(p for p in repo.root.rglob("*") if p.is_file() and ".git" not in p.parts)
    mine = [path for path in tree if ".loop" not in path.parts]
    content = [f"{path}: {path.read_bytes()!r}" for path in (*files, *mine)]
    return (*own, *content, repo.git("stash", "list"))


def meanwhile(repo: Repo, plan: dict[str, Steps], do: Callable[[Repo], object], *flags: str) -> str:
    """Run a loop, and do something while an agent works; what was printed."""
    repo.plan(plan)
    process = repo.start(*flags)
    repo.reached("agent")
    do(repo)
    repo.open("agent")
    return approved(process)


def approved(process: Program) -> str:
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 0, text
    return text


def printed(text: str) -> list[str]:
    """The words of the command that takes the work."""
    return shlex.split(text.partition("Take the work with:")[2].strip().splitlines()[0])


def has_work(repo: Repo, branch: str = "HEAD") -> bool:
    return repo.git("merge-base", repo.state["head_sha"], branch) == repo.state["head_sha"]


def edit(repo: Repo) -> None:
    (repo.root / "README.md").write_text("two hours of my work\n")
    (repo.root / ".env").write_text("TOKEN=x\n")


def commit(repo: Repo) -> None:
    edit(repo)
    repo.git("commit", "--quiet", "-m", "My own commit", "README.md")


PLANS = {"worker": WORKER_WAITS, "reviewer": REVIEWER_WAITS}


@pytest.mark.parametrize("role", PLANS)
def test_nothing_of_the_users_changes_while_an_agent_works(repo: Repo, role: str) -> None:
    before = users(repo)
    seen: list[tuple[str, ...]] = []
    meanwhile(repo, PLANS[role], lambda repo: seen.append(users(repo)))
    assert seen == [before]
    assert has_work(repo)


@pytest.mark.parametrize("role", PLANS)
def test_an_edit_that_is_saved_while_an_agent_works_survives(repo: Repo, role: str) -> None:
    base = repo.head
    text = meanwhile(repo, PLANS[role], edit)
    assert (repo.root / "README.md").read_text() == "two hours of my work\n"
    assert (repo.root / ".env").read_text() == "TOKEN=x\n"
    assert repo.head == base
    assert repo.git("diff", "--name-only", base, WORK) == "calc.py"
    assert "Your branch main stays as it is: it has uncommitted changes in 1 file." in text
    repo.git(*printed(text)[1:])
    assert has_work(repo)
    assert (repo.root / "README.md").read_text() == "two hours of my work\n"


@pytest.mark.parametrize("role", PLANS)
def test_a_commit_of_the_user_stays_on_their_branch(repo: Repo, role: str) -> None:
    text = meanwhile(repo, PLANS[role], commit)
    assert repo.git("log", "-1", "--format=%s") == "My own commit"
    assert "main has moved since the loop started" in text
    repo.git(*printed(text)[1:])
    assert has_work(repo)
    assert "My own commit" in repo.git("log", "--format=%s")


def test_a_user_who_switches_branches_meanwhile_stays_there(repo: Repo) -> None:
    repo.git("branch", "other", "HEAD~1")
    text = meanwhile(repo, REVIEWER_WAITS, lambda repo: repo.git("switch", "--quiet", "other"))
    assert repo.git("branch", "--show-current") == "other"
    assert repo.git("status", "--porcelain", "--untracked-files=no") == ""
    assert repo.head == repo.state["base_sha"] or not has_work(repo)
    assert not has_work(repo, "main")
    repo.git(*printed(text)[1:])
    assert has_work(repo, "main")
    assert repo.git("branch", "--show-current") == "other"


@pytest.mark.parametrize("role", PLANS)
def test_an_edit_survives_a_run_that_is_terminated(repo: Repo, role: str) -> None:
    repo.plan(PLANS[role])
    process = repo.start()
    repo.reached("agent")
    edit(repo)
    text = ended_by(process, signal.SIGTERM)
    assert process.returncode == 130, text
    assert (repo.root / "README.md").read_text() == "two hours of my work\n"
    assert repo.head == repo.state["base_sha"]


def test_a_lock_of_the_index_delays_nothing_but_the_users_branch(repo: Repo) -> None:
    lock = repo.root / ".git" / "index.lock"

    def hold(repo: Repo) -> None:
        lock.touch()
        threading.Timer(2, lock.unlink).start()

    text = meanwhile(repo, REVIEWER_WAITS, hold)
    assert "Your branch main has it." in text
    assert has_work(repo)
    assert repo.git("status", "--porcelain", "--untracked-files=no") == ""


def test_an_untracked_file_that_would_be_overwritten_keeps_the_branch_where_it_is(
    repo: Repo,
) -> None:
    base = repo.head
    for name in ("new.txt", "ignored.txt"):
        (repo.root / name).write_text("mine\n")
        (repo.root / ".git" / "info").mkdir(exist_ok=True)
        (repo.root / ".git" / "info" / "exclude").write_text("ignored.txt\n")
        work: Steps = [{"write": {name: "the worker's\n"}}, {"sh": "git add -f ."}, *RIGHT]
        repo.plan({"worker": [*work, {"report": {}}]})
        result = repo.run("--reset")
        assert result.code == 0, result.text
        assert (repo.root / name).read_text() == "mine\n"
        assert repo.head == base
        assert name in result.out
        (repo.root / name).unlink()
        repo.git(*printed(result.out)[1:])
        assert has_work(repo)
        repo.git("reset", "--quiet", "--hard", base)
        (repo.root / "ignored.txt").unlink(missing_ok=True)


@pytest.mark.parametrize(
    "command", ["git stash -q", "git reset -q --hard", "git add -A", "git clean -qfdx"]
)
def test_whatever_a_worker_does_to_its_tree_it_is_not_the_users(repo: Repo, command: str) -> None:
    edit(repo)
    before = users(repo)
    repo.plan({"worker": [{"sh": f"{command}; mkdir -p $LOOP_MAILBOX"}, *RIGHT, {"report": {}}]})
    result = repo.run("--allow-dirty")
    assert result.code == 0, result.text
    assert users(repo) == before
    assert repo.git("diff", "--name-only", "HEAD", WORK) == "calc.py"


def test_with_apply_never_the_command_is_printed(repo: Repo) -> None:
    base = repo.head
    for more in ({"args": ("--apply", "never")}, {"env": {"LOOP_APPLY": "never"}}):
        result = repo.run(*more.get("args", ()), env=more.get("env", {}))  # type: ignore[arg-type]
        assert result.code == 0, result.text
        assert repo.head == base
    (repo.folder / "config.yaml").write_text("apply: never\n")
    result = repo.run()
    assert repo.head == base
    repo.git(*printed(result.out)[1:])
    assert has_work(repo)


def test_a_detached_head_is_left_and_the_command_is_printed(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "--detach")
    base = repo.head
    result = repo.run()
    assert (result.code, repo.head) == (0, base)
    assert "HEAD is detached" in result.out
    repo.git(*printed(result.out)[1:])
    assert has_work(repo)


def test_work_that_was_approved_but_not_taken_is_taken_by_resuming(repo: Repo) -> None:
    meanwhile(repo, REVIEWER_WAITS, edit)
    repo.git("checkout", "--quiet", "README.md")
    result = repo.run("--resume")
    assert result.code == 0, result.text
    assert "approved already" in result.out
    assert has_work(repo)
    assert "Your branch main has it." in repo.run("--resume").out


def test_a_branch_of_ours_that_somebody_moved_is_not_overwritten(repo: Repo) -> None:
    def move(repo: Repo) -> None:
        repo.git("branch", "--force", WORK, "main")

    text = meanwhile(repo, {**TWO_ROUNDS, "worker/2": [*_other(), *WAITS]}, move)
    assert repo.git("rev-parse", WORK) == repo.state["base_sha"]
    assert f"{WORK} is not where the loop left it, and stays as it is." in text
    assert f"The work is on the branch {WORK}-2." in text
    assert repo.git("rev-parse", f"{WORK}-2") == repo.state["head_sha"]


def _other() -> Steps:
    return [{"write": {"calc.py": "VALUE = 2\n"}}, {"commit": "More"}]


def test_a_branch_that_another_work_tree_has_checked_out_is_not_moved(
    repo: Repo, tmp_path: Path
) -> None:
    def check_out(repo: Repo) -> None:
        repo.git("worktree", "add", "--quiet", str(tmp_path / "other"), WORK)

    text = meanwhile(repo, {**TWO_ROUNDS, "worker/2": [*_other(), *WAITS]}, check_out)
    first, second = (each["head_sha"] for each in repo.state["history"])
    assert repo.git("rev-parse", "HEAD", cwd=tmp_path / "other") == first
    assert f"{WORK} is checked out in {tmp_path / 'other'}" in text
    assert repo.git("rev-parse", f"{WORK}-2") == second


def test_the_work_of_an_earlier_loop_that_nobody_took_is_not_lost(repo: Repo) -> None:
    assert repo.run("--apply", "never").code == 0
    first = repo.state["head_sha"]
    repo.plan({"worker": [{"write": {"calc.py": "VALUE = 5\n"}}, {"report": {}}]})
    assert repo.run("--apply", "never").code == 0
    assert repo.git("rev-parse", WORK) == first
    assert repo.git("rev-parse", f"{WORK}-2") == repo.state["head_sha"] != first
    assert repo.state["work_branch"] == f"{WORK}-2"


def test_a_branch_named_like_the_prefix_is_named_before_anybody_is_paid(repo: Repo) -> None:
    repo.git("branch", "loop")
    result = repo.run()
    assert result.code == 6, result.text
    assert "branch-prefix" in result.err
    assert repo.names == []
    assert repo.run("--reset", env={"LOOP_BRANCH_PREFIX": "bots"}).code == 0


def test_a_user_who_looks_at_the_work_in_the_middle_sees_the_next_round_too(repo: Repo) -> None:
    def look(repo: Repo) -> None:
        repo.git("switch", "--quiet", WORK)

    text = meanwhile(repo, {**TWO_ROUNDS, "worker/2": [*_other(), *WAITS]}, look)
    assert repo.git("branch", "--show-current") == WORK
    assert repo.head == repo.state["head_sha"] == repo.git("rev-parse", "refs/loop/T-001/work")
    assert f"Your branch {WORK} has it." in text
    repo.git(*printed(text)[1:])
    assert has_work(repo, "main")


@pytest.mark.parametrize("dirty", [False, True])
def test_a_work_branch_that_is_checked_out_follows_after_each_round(
    repo: Repo, dirty: bool
) -> None:
    repo.git("switch", "--quiet", "-c", WORK)
    base = repo.head
    seen: list[str] = []

    def look(repo: Repo) -> None:
        seen.append(repo.head)
        if dirty:
            edit(repo)

    plan: dict[str, Steps] = {"reviewer/1": SENT_BACK, "worker/2": [*_other(), *WAITS]}
    text = meanwhile(repo, plan, look)
    first, second = (each["head_sha"] for each in repo.state["history"])
    assert seen == [first]
    assert repo.head == (first if dirty else second)
    assert repo.git("rev-parse", "refs/loop/T-001/work") == second
    if dirty:
        repo.git(*printed(text)[1:])
        assert (repo.root / "README.md").read_text() == "two hours of my work\n"
    assert repo.head == second != base


def test_the_deprecated_setting_is_ignored_or_refused(repo: Repo) -> None:
    refused = repo.run(env={"LOOP_ISOLATION": "in-place"})
    assert (refused.code, repo.names) == (3, [])
    assert "Remove the setting" in refused.err
    (repo.folder / "config.yaml").write_text("isolation: in-place\n")
    assert repo.run().code == 3
    (repo.folder / "config.yaml").write_text("isolation: clone\n")
    result = repo.run()
    assert result.code == 0
    assert result.out.count("isolation is deprecated") == 1


def test_the_work_returns_to_its_branch_when_the_user_has_left_it(repo: Repo) -> None:
    base = repo.head
    repo.git("switch", "--quiet", "-c", WORK)
    repo.plan({"reviewer/1": SENT_BACK})
    assert repo.run("--max-rounds", "1").code == 7
    assert repo.git("rev-parse", "refs/loop/T-001/work") == repo.head != base
    repo.git("switch", "--quiet", "main")
    repo.plan({"worker/2": [*_other(), {"report": {}}]})
    result = repo.run("--resume", "--max-rounds", "2")
    assert result.code == 0, result.text
    assert f"The work is on the branch {WORK}." in result.out
    assert repo.git("rev-parse", WORK) == repo.state["head_sha"]
    assert repo.git("for-each-ref", "refs/loop") == ""


def test_work_whose_branch_is_removed_while_a_reviewer_reads_gets_another_branch(
    repo: Repo,
) -> None:
    text = meanwhile(
        *(repo, REVIEWER_WAITS, lambda repo: repo.git("branch", "-D", WORK)),
        *("--apply", "never"),
    )
    assert "The work is on the branch loop/T-001/work-2." in text
    assert has_work(repo, f"{WORK}-2")
    repo.git(*printed(text)[1:])
    assert has_work(repo)
