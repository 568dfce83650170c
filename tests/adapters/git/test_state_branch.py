"""The store on the state branch, against a git server: who writes, who loses, and what is said."""

from __future__ import annotations

import json

import pytest
from tests.adapters.conftest import BRANCHES, IDENTITY, REPOSITORY, Hosted
from tests.support.git_server import Push

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.refusals import refusal
from loop_kit.adapters.git.remote import fetch_branch, fetch_commit
from loop_kit.adapters.git.state_branch import GitStore
from loop_kit.adapters.retry import TRIES
from loop_kit.core.loop import bus
from loop_kit.core.loop.messages import (
    AttemptStarted,
    LeaseTaken,
    TaskStarted,
)
from loop_kit.core.loop.state import Lease, Limits, LoopState, Phase, Role, parse_state
from loop_kit.errors import BranchRefused, StateRefused
from loop_kit.ports import PushRejected

STARTED = AttemptStarted(Role.WORKER, "2030-01-01T00:00:00Z")


def state(seq: int, **more: object) -> LoopState:
    known = {"seq": seq, "task_id": "T-001", "round": 1, "state": Phase.AWAITING_WORK}
    return LoopState.model_validate({**known, **more})


def begun(hosted: Hosted, depth: int = 1) -> GitStore:
    """A store that has recorded and pushed the first state and the work branch."""
    store = hosted.store(depth)
    assert store.load() is None
    store.save(state(1), LeaseTaken(Lease(holder="one")), {"task_card.json": b"{}\n"})
    store.sync(hosted.bare.head("main") or "")
    return store


def work(git: Git, name: str = "new.py", parent: str = "HEAD") -> str:
    """A commit that adds a file, made without touching the checkout."""
    blob = git.run("hash-object", "-w", "--stdin", stdin=b"work\n").out.decode().strip()
    tree = git.text("write-tree")
    entry = f"100644 blob {blob}\t{name}\n".encode()
    listed = git.run("ls-tree", tree).out
    made = git.run("mktree", stdin=listed + entry).out.decode().strip()
    return git.text("commit-tree", made, "-p", parent, "-m", "Work", env=IDENTITY.environment())


def test_a_second_run_of_a_task_keeps_the_archive_of_the_first(hosted: Hosted) -> None:
    at = "2030-01-01T00:00:00Z"
    begun = TaskStarted("T-001", "c" * 64, "a" * 40, "a" * 40, Limits(), at)
    for n in (1, 2, 3):
        store = hosted.store()
        store.load()
        store.save(state(10 * n, started_at=at), begun)
        store.save(
            state(10 * n + 1, started_at=at), STARTED, {"archive/T-001/r1_a.json": b"%d\n" % n}
        )
        store.sync()
    listed = hosted.bare.git("ls-tree", "-r", "--name-only", "loop/T-001/state").split()
    folder = "archive/T-001/runs/2030-01-01T00-00-00Z"
    runs = [f"{folder}{more}/r1_a.json" for more in ("", "-2")]
    assert set(listed) == {"archive/T-001/r1_a.json", *runs, "state.json"}
    kept = [hosted.bare.git("show", f"loop/T-001/state:{name}").strip() for name in runs]
    assert kept == ["1", "2"]


def test_there_is_no_loop_before_the_first_push(hosted: Hosted) -> None:
    store = hosted.store()
    assert (store.load(), store.read("state.json"), store.work_tip) == (None, None, "")


@pytest.mark.parametrize("depth", [1, 0], ids=["shallow", "full"])
def test_a_second_run_reads_what_the_first_recorded(hosted: Hosted, depth: int) -> None:
    begun(hosted, depth)
    other = hosted.store(depth)
    assert other.load() == state(1)
    assert other.read("task_card.json") == b"{}\n"
    assert other.work_tip == hosted.bare.head("main")


def test_every_transition_is_one_commit_and_the_branch_is_an_orphan(hosted: Hosted) -> None:
    store = begun(hosted)
    store.save(state(2), STARTED)
    store.save(state(3, round=2), STARTED, {"archive/T-001/r1_x.json": b"x"})
    store.sync()

    log = hosted.bare.git("log", "--format=%s", BRANCHES.state).splitlines()
    assert log == [
        "AttemptStarted: T-001 round 2, awaiting_work",
        "AttemptStarted: T-001 round 1, awaiting_work",
        "LeaseTaken: T-001 round 1, awaiting_work",
    ]
    assert hosted.bare.merge_base(BRANCHES.state, "main") is None
    seqs = hosted.bare.git("log", "--format=%H", BRANCHES.state).split()
    found = [hosted.bare.file(sha, "state.json") or b"" for sha in seqs]
    assert [parse_state(raw).seq for raw in found] == [3, 2, 1]


def test_nothing_leaves_before_sync_and_all_of_it_in_one_push(hosted: Hosted) -> None:
    store = begun(hosted)
    pushes = len(hosted.server.pushes)
    for seq in range(2, 6):
        store.save(state(seq), STARTED)
    assert len(hosted.server.pushes) == pushes
    store.sync()
    assert len(hosted.server.pushes) == pushes + 1
    store.sync()
    assert len(hosted.server.pushes) == pushes + 1


def test_a_file_can_be_removed_and_what_was_saved_is_read_before_it_is_pushed(
    hosted: Hosted,
) -> None:
    store = begun(hosted)
    store.save(state(2), STARTED, {"fix_list.json": b"{}", "task_card.json": None})
    assert (store.read("fix_list.json"), store.read("task_card.json")) == (b"{}", None)
    store.sync()
    assert (hosted.state("fix_list.json"), hosted.state("task_card.json")) == (b"{}", None)


def test_a_review_request_is_kept_without_its_diff(hosted: Hosted) -> None:
    store = begun(hosted)
    request = bus.encode({"goal": "g", "diff": "x" * 1000, "diff_file": None})
    store.save(state(2), STARTED, {bus.REVIEW_REQUEST: request})
    store.sync()
    assert json.loads(hosted.state(bus.REVIEW_REQUEST) or b"") == {"goal": "g"}


def test_work_and_state_go_out_together_or_not_at_all(hosted: Hosted) -> None:
    git = hosted.checkout()
    store = hosted.store(git=git)
    store.load()
    store.save(state(1), STARTED)
    hosted.server.protect(REPOSITORY, BRANCHES.work)
    with pytest.raises(BranchRefused):
        store.sync(git.text("rev-parse", "HEAD"))
    assert set(hosted.bare.branches()) == {"main"}


def test_the_second_creator_loses(hosted: Hosted) -> None:
    one, two = hosted.store(), hosted.store()
    one.load()
    two.load()
    for store, holder in ((one, "one"), (two, "two")):
        lease = Lease(holder=holder)
        store.save(state(1, lease=lease), LeaseTaken(lease))
    one.sync(hosted.bare.head("main") or "")
    with pytest.raises(PushRejected):
        two.sync(hosted.bare.head("main") or "")
    assert len(hosted.bare.git("log", "--format=%H", BRANCHES.state).split()) == 1


def test_of_two_runs_on_one_state_the_second_pusher_loses_the_lease(hosted: Hosted) -> None:
    begun(hosted)
    one, two = hosted.store(), hosted.store()
    one.load()
    two.load()
    one.save(state(2, starter="one"), STARTED)
    two.save(state(2, starter="two"), STARTED)
    one.sync()
    with pytest.raises(PushRejected, match="written by another run"):
        two.sync()
    assert parse_state(hosted.state("state.json") or b"").starter == "one"


def drop_command(hosted: Hosted) -> None:
    hosted.bare.commit_files(BRANCHES.state, {"inbox/17.json": "{}"}, "Command")


def while_pushing(hosted: Hosted, act: object) -> None:
    """Have somebody else be faster, in the moment between our asking and our push."""

    def once(push: Push) -> None:
        hosted.server.before_push = None
        act()  # type: ignore[operator]

    hosted.server.before_push = once


@pytest.mark.parametrize("during", [False, True], ids=["before the push", "during the push"])
def test_a_command_that_was_dropped_meanwhile_is_kept_below_our_transitions(
    hosted: Hosted, *, during: bool
) -> None:
    store = begun(hosted)
    store.save(state(2), STARTED)
    store.save(state(3), STARTED)
    if during:
        while_pushing(hosted, lambda: drop_command(hosted))
    else:
        drop_command(hosted)
    store.sync()

    assert hosted.state("inbox/17.json") == b"{}"
    assert parse_state(hosted.state("state.json") or b"").seq == 3
    log = hosted.bare.git("log", "--format=%s", BRANCHES.state).splitlines()
    assert [line.partition(":")[0] for line in log] == [
        "AttemptStarted", "AttemptStarted", "Command", "LeaseTaken",
    ]  # fmt: skip
    store.save(state(4), STARTED)
    store.sync()
    assert parse_state(hosted.state("state.json") or b"").seq == 4


@pytest.mark.parametrize("during", [False, True], ids=["before the push", "during the push"])
def test_a_state_that_another_run_changed_stops_ours_and_nothing_of_it_is_pushed(
    hosted: Hosted, *, during: bool
) -> None:
    git = hosted.checkout()
    store = hosted.store(git=git)
    store.load()
    store.save(state(1), STARTED)
    store.sync(git.text("rev-parse", "HEAD"))
    store.save(state(2), STARTED)

    def take_over() -> None:
        theirs = state(9).to_json()
        hosted.bare.commit_files(BRANCHES.state, {"state.json": theirs}, "Theirs")

    if during:
        while_pushing(hosted, take_over)
    else:
        take_over()
    before = hosted.bare.head(BRANCHES.work)
    with pytest.raises(PushRejected):
        store.sync(work(git))

    assert hosted.bare.git("log", "-1", "--format=%s", BRANCHES.state).strip() == "Theirs"
    assert hosted.bare.head(BRANCHES.work) == before


@pytest.mark.parametrize("during", [False, True], ids=["before the push", "during the push"])
def test_a_person_who_pushed_to_the_work_branch_is_never_overwritten(
    hosted: Hosted, *, during: bool
) -> None:
    git = hosted.checkout()
    store = hosted.store(git=git)
    store.load()
    store.save(state(1), STARTED)
    store.sync(git.text("rev-parse", "HEAD"))
    store.save(state(2), STARTED)

    def push_by_hand() -> None:
        hosted.bare.commit_files(BRANCHES.work, {"mine.py": "mine\n"}, "Mine")

    if during:
        while_pushing(hosted, push_by_hand)
    else:
        push_by_hand()
    with pytest.raises(PushRejected):
        store.sync(work(git))

    assert hosted.bare.file(BRANCHES.work, "mine.py") == b"mine\n"
    assert parse_state(hosted.state("state.json") or b"").seq == 1


def test_a_branch_named_like_the_prefix_is_named_by_the_first_push(hosted: Hosted) -> None:
    hosted.bare.set_branch("loop", hosted.bare.head("main") or "")
    store = hosted.store()
    store.load()
    store.save(state(1), STARTED)
    with pytest.raises(BranchRefused, match="branch named 'loop' is in the way") as refused:
        store.sync()
    assert "branch-prefix" in refused.value.remedy


def test_a_branch_named_like_the_loop_is_named_too(hosted: Hosted) -> None:
    hosted.bare.set_branch("loop/T-001", hosted.bare.head("main") or "")
    store = hosted.store()
    store.load()
    store.save(state(1), STARTED)
    with pytest.raises(BranchRefused, match="in the way") as refused:
        store.sync(hosted.bare.head("main") or "")
    assert "rename" in refused.value.remedy
    assert refused.value.exit_code == 6


def test_for_a_token_that_may_only_read_the_missing_permission_is_named(hosted: Hosted) -> None:
    store = hosted.store(token="reader")
    store.load()
    store.save(state(1), STARTED)
    with pytest.raises(BranchRefused, match="refused the token") as refused:
        store.sync()
    assert "contents: write" in refused.value.remedy


def test_an_unknown_token_is_refused_and_not_shown(hosted: Hosted) -> None:
    store = hosted.store(token="s3cret-token")
    with pytest.raises(BranchRefused, match="refused the token") as refused:
        store.load()
    assert "s3cret-token" not in str(refused.value)


def test_a_branch_rule_is_named_with_the_pattern_to_exempt(hosted: Hosted) -> None:
    hosted.server.protect(REPOSITORY, "loop/*/*")
    store = hosted.store()
    store.load()
    store.save(state(1), STARTED)
    with pytest.raises(BranchRefused, match="branch rule forbids") as refused:
        store.sync()
    assert "loop/**" in refused.value.remedy


def test_a_workflow_file_is_refused_with_what_to_do(hosted: Hosted) -> None:
    git = hosted.checkout()
    store = hosted.store(git=git)
    store.load()
    store.save(state(1), STARTED)
    with pytest.raises(BranchRefused, match=r"touches \.github/workflows") as refused:
        store.sync(workflow_commit(git))
    assert "workflows: write" in refused.value.remedy


def workflow_commit(git: Git) -> str:
    path = git.directory / ".github" / "workflows" / "x.yml"
    path.parent.mkdir(parents=True)
    path.write_text("on: push\n")
    git.run("add", "--all")
    git.run("commit", "--quiet", "--message", "Workflow", env=IDENTITY.environment())
    return git.text("rev-parse", "HEAD")


def test_a_server_error_that_passes_costs_a_pause_and_no_second_commit(hosted: Hosted) -> None:
    store = begun(hosted)
    store.save(state(2), STARTED)
    hosted.server.fail_next_push(status=502)
    store.sync()
    assert len(hosted.clock.slept) == 1
    assert len(hosted.bare.git("log", "--format=%H", BRANCHES.state).split()) == 2


def test_a_server_error_that_lasts_is_reported_and_the_push_can_be_made_later(
    hosted: Hosted,
) -> None:
    store = begun(hosted)
    store.save(state(2), STARTED)
    hosted.server.fail_next_push(times=TRIES, status=500)
    with pytest.raises(BranchRefused):
        store.sync()
    store.sync()
    assert parse_state(hosted.state("state.json") or b"").seq == 2


def test_a_commit_id_that_looks_like_a_status_is_no_refused_token() -> None:
    said = "! 40340140340140a:refs/heads/loop/T-001/state [remote rejected] GH006: Protected branch"
    assert "branch rule forbids" in refusal(said, BRANCHES).sentence
    denied = "fatal: unable to access 'http://x/': The requested URL returned error: 403"
    assert "refused the token" in refusal(denied, BRANCHES).sentence


def test_a_corrupt_state_is_named_with_its_branch_and_is_not_overwritten(hosted: Hosted) -> None:
    hosted.bare.commit_files(BRANCHES.state, {"state.json": "{"}, "Broken")
    with pytest.raises(StateRefused, match="loop/T-001/state cannot be read") as refused:
        hosted.store().load()
    assert refused.value.exit_code == 5


def test_the_state_is_fetched_at_depth_one_however_long_it_is(hosted: Hosted) -> None:
    store = begun(hosted)
    for seq in range(2, 30):
        store.save(state(seq), STARTED)
    store.sync()
    git = hosted.checkout()
    other = hosted.store(git=git)
    assert other.load() == state(29)
    assert git.text("rev-list", "--count", "refs/loop-kit-seen/loop/T-001/state") == "1"


@pytest.mark.parametrize("depth", [1, 0], ids=["shallow", "full"])
def test_a_run_continues_where_another_checkout_stopped(hosted: Hosted, depth: int) -> None:
    first = hosted.checkout(depth)
    store = hosted.store(git=first)
    store.load()
    store.save(state(1), STARTED)
    store.sync(work(first))

    second = hosted.checkout(depth)
    other = hosted.store(git=second)
    other.load()
    other.save(state(2), STARTED)
    other.sync(work(second, "more.py", parent=other.work_tip))

    names = hosted.bare.git("ls-tree", "--name-only", BRANCHES.work).split()
    assert {"a.py", "more.py"} <= set(names)
    assert hosted.bare.count_commits("main", BRANCHES.work) == 2
    assert parse_state(hosted.state("state.json") or b"").seq == 2


def test_the_checkout_itself_is_left_as_it_was(hosted: Hosted) -> None:
    git = hosted.checkout()
    before = (git.text("rev-parse", "HEAD"), (git.directory / ".git" / "config").read_text())
    store = hosted.store(git=git)
    store.load()
    store.save(state(1), STARTED)
    store.sync(git.text("rev-parse", "HEAD"))
    assert git.text("status", "--porcelain") == ""
    assert (
        git.text("rev-parse", "HEAD"),
        (git.directory / ".git" / "config").read_text(),
    ) == before


@pytest.mark.parametrize("depth", [1, 0], ids=["shallow", "full"])
def test_a_branch_and_a_commit_can_be_fetched(hosted: Hosted, depth: int) -> None:
    store = hosted.store(depth)
    tip = hosted.bare.commit_files("main", {"later.py": "x\n"}, "Later")
    git, remote = store._git, store._remote
    assert fetch_branch(git, remote, "main") == tip
    fetch_commit(git, remote, tip)
    assert git.has(tip)
    with pytest.raises(BranchRefused):
        fetch_branch(git, remote, tip)
    with pytest.raises(BranchRefused, match="cannot be fetched"):
        fetch_branch(git, remote, "no-such-branch")
