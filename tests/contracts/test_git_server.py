"""The git stand-in does what GitHub's git host does, seen through git itself."""

from __future__ import annotations

import gzip
import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from tests.support.git_client import WorkingCopy
from tests.support.git_protocol import ZERO_SHA, packet
from tests.support.git_server import GitServer, Push
from tests.support.loopback import copy_chunks

if TYPE_CHECKING:
    from tests.support.git_repository import BareRepository

Clone = Callable[..., WorkingCopy]

DEMO = "octo/demo"
WORKFLOW = ".github/workflows/ci.yml"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitServer]:
    with GitServer(tmp_path / "hosted") as server:
        server.add_token("writer", "github-actions[bot]")
        server.add_token("reader", "rita", "read")
        server.add_token("outsider", "oscar", "none")
        server.add_token("maintainer", "mona", workflows=True)
        server.create_repository(DEMO)
        files = {"README.md": "hello\n", WORKFLOW: "on: push\n"}
        server.repository(DEMO).commit_files("main", files, "Start")
        yield server


@pytest.fixture
def hosted(host: GitServer) -> BareRepository:
    return host.repository(DEMO)


@pytest.fixture
def clone(host: GitServer, tmp_path: Path) -> Clone:
    def make(*options: str, token: str | None = "writer") -> WorkingCopy:
        name = f"clone-{len(list(tmp_path.iterdir()))}"
        return WorkingCopy.clone(f"{host.url}/{DEMO}", tmp_path / name, token, *options)

    return make


def tip(repository: BareRepository, branch: str) -> str:
    sha = repository.head(branch)
    assert sha is not None
    return sha


def test_a_clone_without_a_token_is_asked_to_authenticate(host: GitServer, clone: Clone) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        clone(token=None)
    assert "could not read Username" in refused.value.stderr
    assert [request.status for request in host.requests] == [401]


def test_an_unknown_token_is_not_let_in(host: GitServer, clone: Clone) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        clone(token="forged")
    assert {request.status for request in host.requests} == {401}


def test_a_token_without_access_cannot_see_that_the_repository_exists(clone: Clone) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        clone(token="outsider")
    assert "Repository not found" in refused.value.stderr


def test_a_reader_may_clone_but_not_push(host: GitServer, clone: Clone) -> None:
    copy = clone(token="reader")
    copy.commit({"a.txt": "a\n"})
    refused = copy.push("HEAD:main")
    assert refused.returncode != 0
    assert "remote: Permission to octo/demo.git denied to rita." in refused.stderr
    assert "error: 403" in refused.stderr
    assert host.pushes == []


@pytest.mark.parametrize("suffix", ["", ".git"])
def test_both_spellings_of_the_url_work(
    host: GitServer, tmp_path: Path, suffix: str, hosted: BareRepository
) -> None:
    copy = WorkingCopy.clone(f"{host.url}/{DEMO}{suffix}", tmp_path / "copy", "writer")
    sha = copy.commit({"a.txt": "a\n"})
    assert copy.push("HEAD:main").returncode == 0
    assert hosted.head("main") == sha


def test_pushes_are_recorded_with_their_refs_and_their_login(
    host: GitServer, clone: Clone, hosted: BareRepository
) -> None:
    before = tip(hosted, "main")
    copy = clone()
    sha = copy.commit({"a.txt": "a\n"})
    assert copy.push("HEAD:main", "HEAD:refs/heads/loop/T-1/work").returncode == 0
    [push] = host.pushes
    assert (push.repository, push.login) == (DEMO, "github-actions[bot]")
    assert push.refs == ("refs/heads/main", "refs/heads/loop/T-1/work")
    assert [(update.old, update.new) for update in push.accepted] == [
        (before, sha),
        (ZERO_SHA, sha),
    ]
    assert host.count("receive-pack") == 2
    assert host.count("upload-pack") >= 2


def test_an_atomic_push_moves_both_refs_or_neither(clone: Clone, hosted: BareRepository) -> None:
    copy = clone()
    start = copy.git("rev-parse", "HEAD")
    copy.commit({"a.txt": "a\n"})
    first = copy.push("--atomic", "HEAD:refs/heads/one", "HEAD:refs/heads/two")
    assert first.returncode == 0
    moved = hosted.commit_files("two", {"elsewhere.txt": "x\n"})
    sha = copy.commit({"a.txt": "b\n"})
    second = copy.push("--atomic", "HEAD:refs/heads/one", "HEAD:refs/heads/two")
    assert second.returncode != 0
    assert "[rejected] (fetch first)" in second.stdout
    assert hosted.head("one") not in {sha, start}
    assert hosted.head("two") == moved


def test_second_pusher_loses_the_race(
    host: GitServer, clone: Clone, hosted: BareRepository
) -> None:
    copy = clone()
    expected = copy.git("rev-parse", "HEAD")
    copy.commit({"a.txt": "mine\n"})
    winners: list[str] = []

    def overtake(_: Push) -> None:
        winners.append(hosted.commit_files("main", {"a.txt": "theirs\n"}, "Overtake"))

    host.before_push = overtake
    lost = copy.push("HEAD:main")
    assert lost.returncode != 0
    reason = f"cannot lock ref 'refs/heads/main': is at {winners[0]} but expected {expected}"
    assert f"[remote rejected] ({reason})" in lost.stdout
    assert hosted.head("main") == winners[0]
    assert [push.refused for push in host.refused_pushes] == [(("refs/heads/main", reason),)]


def test_a_lost_race_for_one_ref_of_an_atomic_push_leaves_the_other_alone(
    host: GitServer, clone: Clone, hosted: BareRepository
) -> None:
    copy = clone()
    copy.commit({"a.txt": "mine\n"})
    host.before_push = lambda _: hosted.set_branch("state", tip(hosted, "main"))
    lost = copy.push("--atomic", "HEAD:refs/heads/work", "HEAD:refs/heads/state")
    assert lost.returncode != 0
    assert "refs/heads/work\t[remote rejected] (atomic transaction failed)" in lost.stdout
    assert hosted.head("work") is None
    assert hosted.head("state") == hosted.head("main")


def test_a_hook_that_pushes_itself_is_not_called_again(
    host: GitServer, clone: Clone, hosted: BareRepository
) -> None:
    rival = clone()
    mine = clone()
    theirs = rival.commit({"a.txt": "theirs\n"})
    mine.commit({"a.txt": "mine\n"})
    host.before_push = lambda _: rival.push("HEAD:main").check_returncode()
    assert mine.push("HEAD:main").returncode != 0
    assert hosted.head("main") == theirs


def test_an_expired_lease_is_rejected_by_the_client(clone: Clone, hosted: BareRepository) -> None:
    copy = clone()
    old = copy.git("rev-parse", "HEAD")
    hosted.commit_files("main", {"a.txt": "theirs\n"})
    copy.commit({"a.txt": "mine\n"})
    lost = copy.push(f"--force-with-lease=refs/heads/main:{old}", "HEAD:main")
    assert lost.returncode != 0
    assert "[rejected] (stale info)" in lost.stdout


def test_unprotected_branches_can_be_forced(clone: Clone, hosted: BareRepository) -> None:
    copy = clone()
    copy.commit({"a.txt": "one\n"})
    copy.push("HEAD:refs/heads/work").check_returncode()
    copy.git("commit", "--quiet", "--amend", "-m", "Rewritten")
    assert copy.push("--force", "HEAD:refs/heads/work").returncode == 0
    assert hosted.head("work") == copy.git("rev-parse", "HEAD")


def test_workflow_changes_are_refused_in_githubs_words(
    clone: Clone, hosted: BareRepository
) -> None:
    copy = clone()
    before = hosted.head("main")
    copy.commit({WORKFLOW: "on: pull_request\n"})
    refused = copy.push("HEAD:main", "HEAD~1:refs/heads/kept")
    assert refused.returncode != 0
    assert (
        "refs/heads/main\t[remote rejected] (refusing to allow a GitHub App to create or update "
        f"workflow `{WORKFLOW}` without `workflows` permission)"
    ) in refused.stdout
    assert hosted.head("main") == before
    assert hosted.head("kept") == before


def test_workflow_changes_pass_with_the_permission(clone: Clone, hosted: BareRepository) -> None:
    maintainer = clone(token="maintainer")
    maintainer.commit({WORKFLOW: "on: pull_request\n"})
    assert maintainer.push("HEAD:main").returncode == 0
    bot = clone()
    sha = bot.commit({"a.txt": "on top\n"})
    assert bot.push("HEAD:main").returncode == 0
    assert hosted.head("main") == sha


def test_a_branch_cannot_start_at_a_commit_with_superseded_workflows(
    clone: Clone, hosted: BareRepository
) -> None:
    copy = clone()
    hosted.commit_files("main", {WORKFLOW: "on: pull_request\n"}, "Newer workflow")
    refused = copy.push("HEAD:refs/heads/work")
    assert refused.returncode != 0
    assert "without `workflows` permission" in refused.stdout


def test_protected_branches_refuse_a_push_and_say_so(
    host: GitServer, clone: Clone, hosted: BareRepository
) -> None:
    copy = clone()
    copy.commit({"a.txt": "a\n"})
    host.protect(DEMO, "main", "release/*")
    refused = copy.push("HEAD:main")
    assert "GH006: Protected branch update failed for refs/heads/main." in refused.stderr
    assert "[remote rejected] (protected branch hook declined)" in refused.stdout
    assert copy.push("HEAD:refs/heads/release/v1").returncode != 0
    assert copy.push("HEAD:refs/heads/work").returncode == 0
    host.protect(DEMO)
    assert copy.push("HEAD:main").returncode == 0
    assert hosted.head("main") == hosted.head("work")


@pytest.mark.parametrize(
    ("ref", "reason"),
    [("refs/loop/T-1", "funny refname"), ("refs/pull/1/head", "deny updating a hidden ref")],
)
def test_refs_outside_branches_and_tags_are_refused(clone: Clone, ref: str, reason: str) -> None:
    refused = clone().push(f"HEAD:{ref}")
    assert refused.returncode != 0
    assert f"[remote rejected] ({reason})" in refused.stdout


def test_tags_can_be_pushed(host: GitServer, clone: Clone) -> None:
    assert clone().push("HEAD:refs/tags/v1").returncode == 0
    assert host.pushes[0].refs == ("refs/tags/v1",)


@pytest.mark.parametrize(("first", "second"), [("loop", "loop/T-1"), ("loop/T-1", "loop")])
def test_a_branch_name_cannot_be_both_a_file_and_a_directory(
    clone: Clone, hosted: BareRepository, first: str, second: str
) -> None:
    copy = clone()
    hosted.set_branch(first, copy.git("rev-parse", "HEAD"))
    refused = copy.push(f"HEAD:refs/heads/{second}")
    assert refused.returncode != 0
    assert f"cannot lock ref 'refs/heads/{second}': 'refs/heads/{first}' exists" in refused.stdout


def test_a_shallow_clone_can_push_and_deepen(clone: Clone, hosted: BareRepository) -> None:
    for number in range(3):
        hosted.commit_files("main", {"count.txt": f"{number}\n"})
    copy = clone("--depth=1")
    assert copy.git("rev-list", "--count", "HEAD") == "1"
    sha = copy.commit({"a.txt": "a\n"})
    assert copy.push("HEAD:refs/heads/work").returncode == 0
    assert hosted.head("work") == sha
    assert hosted.count_commits("main", "work") == 1
    copy.git("fetch", "--quiet", "--unshallow")
    assert copy.git("rev-list", "--count", "HEAD") == "5"


def test_a_blobless_clone_fetches_blobs_when_it_needs_them(clone: Clone) -> None:
    copy = clone("--filter=blob:none", "--no-checkout")
    missing = copy.git("rev-list", "--objects", "--missing=print", "HEAD")
    assert "?" in missing
    copy.git("checkout", "--quiet", "HEAD")
    assert (copy.path / "README.md").read_text() == "hello\n"


def test_a_single_commit_can_be_fetched_by_its_name(clone: Clone, hosted: BareRepository) -> None:
    sha = tip(hosted, "main")
    hosted.commit_files("main", {"a.txt": "a\n"})
    copy = clone("--depth=1")
    copy.git("fetch", "--quiet", "--depth=1", "origin", sha)
    assert copy.git("rev-parse", "FETCH_HEAD") == sha


def test_a_large_push_arrives_in_chunks(host: GitServer, clone: Clone) -> None:
    copy = clone()
    noise = "".join(f"{number * 7919 % 1000003}\n" for number in range(600_000))
    sha = copy.commit({"large.txt": noise})
    copy.git("config", "http.postBuffer", "65536")
    assert copy.push("HEAD:main").returncode == 0
    assert host.repository(DEMO).head("main") == sha
    assert len(host.pushes) == 1


def test_a_compressed_request_is_understood(host: GitServer) -> None:
    wants = packet(b"command=ls-refs\n") + b"0001" + packet(b"ref-prefix refs/heads/\n") + b"0000"
    answer = requests.post(
        f"{host.url}/{DEMO}/git-upload-pack",
        data=gzip.compress(wants),
        headers={
            "Content-Type": "application/x-git-upload-pack-request",
            "Content-Encoding": "gzip",
            "Git-Protocol": "version=2",
            "Connection": "close",
        },
        auth=("x-access-token", "writer"),
        timeout=10,
    )
    assert answer.status_code == 200
    assert b"refs/heads/main" in answer.content


def test_chunks_with_extensions_and_trailers_are_joined() -> None:
    target = io.BytesIO()
    copy_chunks(io.BytesIO(b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\nrest"), target)
    assert target.getvalue() == b"abcde"


def test_failed_pushes_move_nothing_and_the_next_one_works(
    host: GitServer, clone: Clone, hosted: BareRepository
) -> None:
    copy = clone()
    before = hosted.head("main")
    sha = copy.commit({"a.txt": "a\n"})
    host.fail_next_push(times=2, status=503)
    for _ in range(2):
        failed = copy.push("HEAD:main")
        assert failed.returncode != 0
        assert "503" in failed.stderr
        assert hosted.head("main") == before
    assert copy.push("HEAD:main").returncode == 0
    assert hosted.head("main") == sha
    assert len(host.pushes) == 1


def test_listeners_hear_of_a_push_after_it_happened(
    host: GitServer, clone: Clone, hosted: BareRepository
) -> None:
    seen: list[tuple[tuple[str, ...], str | None]] = []
    host.after_push.append(lambda push: seen.append((push.refs, hosted.head("work"))))
    copy = clone()
    copy.push("HEAD:refs/heads/work").check_returncode()
    assert seen == [(("refs/heads/work",), copy.git("rev-parse", "HEAD"))]


def test_an_orphan_branch_needs_no_history_in_common(clone: Clone, hosted: BareRepository) -> None:
    copy = clone()
    copy.git("checkout", "--quiet", "--orphan", "state")
    copy.git("rm", "-rfq", "--cached", ".")
    (copy.path / ".github/workflows/ci.yml").unlink()
    sha = copy.commit({"state.json": "{}\n"})
    assert copy.push("HEAD:refs/heads/loop/T-1/state").returncode == 0
    assert hosted.file(sha, "state.json") == b"{}\n"
    assert hosted.merge_base("main", sha) is None
