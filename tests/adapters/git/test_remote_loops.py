"""Questions about many loops to a real git server over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.conftest import BRANCHES, Hosted, environment, make_local

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.remote import Remote
from loop_kit.adapters.git.remote_loops import (
    MAX_STATE_BYTES,
    RemoteLoops,
    Tips,
    scratch_repository,
)
from loop_kit.adapters.process.process import Completed
from loop_kit.adapters.retry import TRIES
from loop_kit.core.loop.state import LoopState, Outcome, Phase
from loop_kit.errors import BranchRefused

NOBODY = "http://127.0.0.1:9"


class CountingGit(Git):
    """Git that remembers what it was asked."""

    def __init__(self, directory: Path, home: Path) -> None:
        super().__init__(directory, environment(home), isolated=True)
        self.asked: list[str] = []

    def run(self, *args: str, **more: Any) -> Completed:
        settings = 2 * args[::2].index(next(word for word in args[::2] if word != "-c"))
        self.asked.append(args[settings])
        return super().run(*args, **more)


def empty(hosted: Hosted) -> CountingGit:
    """A repository with nothing in it."""
    path = hosted.root / f"empty-{hosted.count}"
    path.mkdir()
    hosted.count += 1
    git = CountingGit(path, hosted.root)
    git.run("init", "--quiet", "--bare")
    git.asked.clear()
    return git


def loops(hosted: Hosted, git: Git | None = None, token: str = "bot") -> RemoteLoops:
    remote = Remote(hosted.url, hosted.server.url, token)
    return RemoteLoops(git or empty(hosted), remote, "loop", hosted.clock.sleep)


def state(task_id: str, seq: int = 1) -> bytes:
    made = LoopState(task_id=task_id, seq=seq, state=Phase.DONE, outcome=Outcome.APPROVED)
    return made.to_json()


def keep(hosted: Hosted, task_id: str, files: Mapping[str, bytes | str] | None = None) -> str:
    """Put a state branch on the server."""
    tree = {"state.json": state(task_id)} if files is None else files
    return hosted.bare.commit_files(f"loop/{task_id}/state", tree)


def test_the_tips_of_the_named_loops_are_known(hosted: Hosted) -> None:
    main = hosted.bare.head("main") or ""
    made = keep(hosted, "A")
    hosted.bare.set_branch("loop/A/work", main)
    hosted.bare.set_branch("loop/B/work", main)
    keep(hosted, "C")
    found = loops(hosted).tips(["A", "B", "none"])
    assert found == {"A": Tips(made, main), "B": Tips("", main)}


def test_a_branch_whose_name_only_ends_like_one_of_the_loop_is_another(hosted: Hosted) -> None:
    keep(hosted, "A")
    hosted.bare.git("branch", "refs/heads/loop/B/state", "main")
    assert set(loops(hosted).tips(["B"])) == set()


def test_the_loops_of_another_prefix_are_not_ours(hosted: Hosted) -> None:
    made = hosted.bare.commit_files("bots/loop/A/state", {"state.json": state("A")})
    remote = Remote(hosted.url, hosted.server.url, "bot")
    assert loops(hosted).tips(["A"]) == {}
    assert loops(hosted).all_states() == {}
    other = RemoteLoops(empty(hosted), remote, "bots/loop")
    assert other.all_states() == {"A": made}


def test_the_sweep_sees_every_state_branch_and_nothing_else(hosted: Hosted) -> None:
    made = {name: keep(hosted, name) for name in ("A", "B.2")}
    main = hosted.bare.head("main") or ""
    for branch in ("loop/C/work", "loop/x/y/state", "loop/_bad/state", "loop/state"):
        hosted.bare.set_branch(branch, main)
    assert loops(hosted).all_states() == made


def test_states_are_read_with_their_commit_and_its_time_in_utc(hosted: Hosted) -> None:
    stream = (
        b"commit refs/heads/loop/A/state\n"
        b"committer Someone <someone@example.com> 1700000000 +0900\ndata 0\n\n"
        b"M 100644 inline state.json\ndata %d\n%s\n" % (len(state("A", 7)), state("A", 7))
    )
    hosted.bare.git("fast-import", "--quiet", stdin=stream)
    found = loops(hosted).states(["A"])["A"]
    assert found.sha == hosted.bare.head("loop/A/state")
    assert found.committed_at == "2023-11-14T22:13:20Z"
    assert found.state is not None
    assert (found.state.seq, found.why) == (7, "")


def test_a_loop_without_a_state_branch_is_left_out(hosted: Hosted) -> None:
    keep(hosted, "A")
    assert set(loops(hosted).states(["A", "none"])) == {"A"}
    assert loops(hosted).states([]) == {}


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"other": "x"}, "there is no state.json"),
        ({"state.json": "{"}, "not readable as JSON"),
        ({"state.json": "[]"}, "an object is expected"),
        ({"state.json": b"\xff\xfe"}, "not readable as JSON"),
        ({"state.json": "[" * 100_000}, "not readable as JSON"),
        ({"state.json/a": "a folder"}, "there is no state.json"),
        ({"state.json": " " * (MAX_STATE_BYTES + 1)}, "longer than 2097152 bytes"),
        ({"state.json": state("OTHER")}, "of the task 'OTHER'"),
    ],
)
def test_a_state_that_cannot_be_read_is_reported_for_that_loop_alone(
    hosted: Hosted, files: Mapping[str, bytes | str], why: str
) -> None:
    keep(hosted, "A")
    keep(hosted, "B", files)
    keep(hosted, "C")
    found = loops(hosted).states(["A", "B", "C"])
    assert why in found["B"].why
    assert found["B"].state is None
    assert [name for name, recorded in found.items() if recorded.state] == ["A", "C"]


def test_a_branch_that_git_takes_for_broken_is_reported_for_that_loop_alone(hosted: Hosted) -> None:
    for name in ("A", "B", "D"):
        keep(hosted, name)
    blob = hosted.bare.git("hash-object", "-w", "--stdin", stdin=b"x").strip()
    tree = b"100644 .git\0" + bytes.fromhex(blob)
    made = hosted.bare.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=tree)
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    commit = hosted.bare.git(*who, "commit-tree", made.strip(), "-m", "x").strip()
    hosted.bare.set_branch("loop/C/state", commit)
    found = loops(hosted).states(["A", "B", "C", "D"])
    assert "its branch cannot be fetched" in found["C"].why
    assert {name for name, recorded in found.items() if recorded.state} == {"A", "B", "D"}


def test_however_many_loops_there_are_git_is_asked_as_often(hosted: Hosted) -> None:
    asked = []
    names = [f"T-{number:03}" for number in range(60)]
    for name in names:
        keep(hosted, name)
    for some in (names[:2], names):
        git = empty(hosted)
        before = hosted.server.count("upload-pack")
        found = loops(hosted, git)
        assert len(found.tips(some)) == len(some)
        assert len(found.states(some)) == len(some)
        asked.append((git.asked, hosted.server.count("upload-pack") - before))
    assert asked[0] == asked[1]
    assert asked[0][0] == ["ls-remote", "fetch", "for-each-ref", "cat-file", "cat-file"]


def test_only_the_named_loops_are_fetched_and_only_their_last_commit(hosted: Hosted) -> None:
    keep(hosted, "A")
    keep(hosted, "A", {"archive/x.json": "{}"})
    keep(hosted, "B")
    git = empty(hosted)
    loops(hosted, git).states(["A"])
    assert git.text("for-each-ref", "--format=%(refname)") == "refs/loop-kit/A/state"
    assert git.text("rev-list", "--all", "--count") == "1"


def test_the_server_is_never_asked_for_the_refs_of_pull_requests(hosted: Hosted) -> None:
    hosted.bare.git("update-ref", "refs/pull/1/head", "main")
    path = hosted.root / "packets"
    traced = {**environment(hosted.root), "GIT_TRACE_PACKET": str(path)}
    folder = empty(hosted).directory
    keep(hosted, "A")
    loops(hosted, Git(folder, traced, isolated=True)).tips(["A"])
    said = path.read_text("utf-8", "replace")
    assert "refs/heads/loop/A/state" in said
    assert "refs/pull/1" not in said


def test_a_token_that_the_server_refuses_is_a_final_no(hosted: Hosted) -> None:
    with pytest.raises(BranchRefused, match="refused the credentials"):
        loops(hosted, token="stranger").tips(["A"])
    assert hosted.clock.slept == []


def test_a_server_that_does_not_answer_is_asked_a_few_times(hosted: Hosted) -> None:
    dead = RemoteLoops(empty(hosted), Remote(NOBODY, NOBODY), "loop", hosted.clock.sleep)
    with pytest.raises(BranchRefused, match="does not answer") as raised:
        dead.states(["A"])
    assert "Check the network" in raised.value.remedy
    assert len(hosted.clock.slept) == TRIES - 1


def test_the_login_in_a_url_is_not_shown(hosted: Hosted) -> None:
    url = "http://mona:hunter2@127.0.0.1:9/octo/demo"
    asked = RemoteLoops(empty(hosted), Remote(url, NOBODY), "loop", hosted.clock.sleep)
    with pytest.raises(BranchRefused) as raised:
        asked.tips(["A"])
    assert "hunter2" not in str(raised.value)


def test_the_repository_of_a_moment_leaves_nothing_behind(hosted: Hosted) -> None:
    keep(hosted, "A")
    local = make_local(hosted.root / "mine")
    local.commit({"a.py": "one\n"})
    local.git.run("config", f"url.{hosted.server.url}/.insteadOf", "hub:")
    before = sorted((local.root / ".git").iterdir())
    with scratch_repository(local.git) as scratch:
        remote = Remote("hub:octo/demo", hosted.server.url, "bot")
        found = RemoteLoops(scratch, remote, "loop").states(["A"])
        folder = scratch.directory
    assert found["A"].state is not None
    assert not folder.exists()
    assert sorted((local.root / ".git").iterdir()) == before
    assert local.git.text("for-each-ref", "refs/loop-kit/") == ""
    assert local.git.text("rev-parse", "--is-shallow-repository") == "false"


def test_task_ids_come_from_the_branch_of_the_contract(hosted: Hosted) -> None:
    hosted.bare.commit_files(BRANCHES.state, {"state.json": state(BRANCHES.task_id)})
    assert set(loops(hosted).states([BRANCHES.task_id])) == {BRANCHES.task_id}
