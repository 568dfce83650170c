"""Faults of the git server that pass cost a pause and have one effect; a refusal costs neither."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.adapters.conftest import BRANCHES, REPOSITORY, Hosted, Local, environment
from tests.adapters.git.test_state_branch import STARTED, begun, state
from tests.fakes import FakeClock
from tests.support.git_faults import GitFault
from tests.support.git_tls import TlsRefs, company_certificate

from loop_kit.adapters.git.branch_removal import BranchRemoval
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.refusals import is_final, may_pass
from loop_kit.adapters.git.remote import Remote, default_branch, fetch_commit
from loop_kit.adapters.git.remote_loops import RemoteLoops
from loop_kit.adapters.retry import TRIES
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.push_refusal import RefusalKind
from loop_kit.errors import BranchRefused
from loop_kit.ports import PushRefused

STATUSES = [GitFault("status", status) for status in (408, 429, 500, 502, 503, 504)]
UNKNOWN_TOKEN = GitFault("status", 401)
RESET = GitFault("reset")
"""Git itself repeats a request on a connection that it had used before."""
CUT = GitFault("cut")
CONTENTION = [
    GitFault("refused", reason="fatal error in commit_refs"),
    GitFault("refused", reason="cannot lock ref 'refs/heads/x': unable to resolve reference"),
    GitFault("refused", reason="Internal Server Error"),
]
PASSING = [*STATUSES, RESET, UNKNOWN_TOKEN, *CONTENTION]
LOST = [GitFault("lost"), CUT]


def name_of(value: object) -> str | None:
    return f"{value.kind} {value.reason or value.status}" if isinstance(value, GitFault) else None


def transitions(hosted: Hosted) -> int:
    return len(hosted.bare.git("log", "--format=%H", BRANCHES.state).split())


def remote(hosted: Hosted, token: str = "bot") -> Remote:
    return Remote(hosted.url, hosted.server.url, token)


@pytest.mark.parametrize("fault", PASSING, ids=name_of)
def test_a_push_is_made_again_and_arrives_once(hosted: Hosted, fault: GitFault) -> None:
    store = begun(hosted)
    store.save(state(2), STARTED)
    hosted.server.fail_next("git-receive-pack", fault)

    store.sync()

    assert len(hosted.clock.slept) == 1 or fault is RESET
    assert (transitions(hosted), len(hosted.server.pushes)) == (2, 2)


@pytest.mark.parametrize("fault", LOST, ids=name_of)
def test_a_push_whose_answer_is_lost_is_looked_up_and_not_made_again(
    hosted: Hosted, fault: GitFault
) -> None:
    store = begun(hosted)
    store.save(state(2), STARTED)
    hosted.server.fail_next("git-receive-pack", fault)

    store.sync()

    assert hosted.clock.slept == []
    assert (transitions(hosted), len(hosted.server.pushes)) == (2, 2)


@pytest.mark.parametrize("fault", [STATUSES[-1], *CONTENTION, *LOST], ids=name_of)
def test_a_command_is_dropped_once(hosted: Hosted, fault: GitFault) -> None:
    begun(hosted)
    store = hosted.store()
    store.load()
    hosted.server.fail_next("git-receive-pack", fault)

    store.drop(Command(comment=7, verb="stop"))

    assert hosted.state("inbox/7.json") is not None
    assert transitions(hosted) == 2


@pytest.mark.parametrize("fault", [*PASSING, *LOST], ids=name_of)
def test_branches_are_deleted_whatever_passes(hosted: Hosted, fault: GitFault) -> None:
    begun(hosted)
    removal = BranchRemoval(hosted.checkout(), remote(hosted), "loop", hosted.clock.sleep)
    branches = removal.list_branches(["T-001"])
    hosted.server.fail_next("git-receive-pack", fault)

    assert removal.remove(branches) == {"T-001": None}
    assert set(hosted.bare.branches()) == {"main"}


class Unlocking(FakeClock):
    """Another process has a ref locked until somebody waits."""

    def __init__(self, lock: Path) -> None:
        super().__init__()
        self.lock = lock

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.lock.unlink()


def test_a_ref_that_another_process_has_locked_is_waited_for(hosted: Hosted) -> None:
    lock = hosted.bare.path / "refs" / "heads" / f"{BRANCHES.state}.lock"
    hosted.clock = Unlocking(lock)
    store = begun(hosted)
    store.save(state(2), STARTED)
    lock.touch()

    store.sync()

    assert (len(hosted.clock.slept), transitions(hosted)) == (1, 2)


def test_a_push_to_a_server_that_is_down_costs_the_pauses_of_one_request(hosted: Hosted) -> None:
    store = begun(hosted)
    store.save(state(2), STARTED)
    for endpoint in ("git-receive-pack", "git-upload-pack"):
        hosted.server.fail_next(endpoint, GitFault("status", 503), times=2 * TRIES)

    with pytest.raises(PushRefused) as refused:
        store.sync()
    assert refused.value.refusal.kind is RefusalKind.FAULT
    assert len(hosted.clock.slept) == TRIES - 1

    with pytest.raises(PushRefused):
        store.sync()
    assert len(hosted.clock.slept) == TRIES - 1


def test_a_token_that_has_expired_costs_the_pauses_of_one_push(hosted: Hosted) -> None:
    store = begun(hosted)
    hosted.server.expire_for_git("bot")
    for seq in (2, 3):
        store.save(state(seq), STARTED)
        with pytest.raises(PushRefused) as refused:
            store.sync()
        assert refused.value.refusal.kind is RefusalKind.TOKEN

    assert len(hosted.clock.slept) == TRIES - 1


def test_a_deletion_waits_for_the_packed_refs(hosted: Hosted) -> None:
    lock = hosted.bare.path / "packed-refs.lock"
    begun(hosted)
    clock = Unlocking(lock)
    removal = BranchRemoval(hosted.checkout(), remote(hosted), "loop", clock.sleep)
    branches = removal.list_branches(["T-001"])
    lock.touch()

    assert removal.remove(branches) == {"T-001": None}
    assert len(clock.slept) == 1


def load(hosted: Hosted, git: Git, asked: Remote) -> object:
    return hosted.store(git=git).load()


def fetch(hosted: Hosted, git: Git, asked: Remote) -> object:
    tip = hosted.bare.head("main") or ""
    return fetch_commit(git, asked, tip, ref="refs/x", sleep=hosted.clock.sleep)


def list_tips(hosted: Hosted, git: Git, asked: Remote) -> object:
    return RemoteLoops(git, asked, "loop", hosted.clock.sleep).tips(["T-001"])


def read_states(hosted: Hosted, git: Git, asked: Remote) -> object:
    return RemoteLoops(git, asked, "loop", hosted.clock.sleep).states(["T-001"])


@pytest.mark.parametrize("fault", [*STATUSES, RESET, CUT], ids=name_of)
@pytest.mark.parametrize("endpoint", ["info/refs", "git-upload-pack"])
@pytest.mark.parametrize("ask", [load, fetch, list_tips, read_states])
def test_a_question_is_asked_again(
    hosted: Hosted,
    ask: Callable[[Hosted, Git, Remote], object],
    endpoint: str,
    fault: GitFault,
) -> None:
    begun(hosted)
    git = hosted.checkout()
    expected = ask(hosted, hosted.checkout(), remote(hosted))
    hosted.server.faults.add(endpoint, fault)  # type: ignore[arg-type]

    assert ask(hosted, git, remote(hosted)) == expected
    assert len(hosted.clock.slept) == 1 or fault is RESET


def test_a_token_that_worked_and_is_refused_is_tried_again(hosted: Hosted) -> None:
    git, asked = hosted.checkout(), remote(hosted)
    default_branch(git, asked, hosted.clock.sleep)
    hosted.server.fail_next("info/refs", UNKNOWN_TOKEN)

    assert default_branch(git, asked, hosted.clock.sleep) == "main"
    assert len(hosted.clock.slept) == 1


def test_a_token_that_is_refused_at_once_is_not_tried_again(hosted: Hosted) -> None:
    git = hosted.checkout()
    hosted.server.fail_next("info/refs", UNKNOWN_TOKEN)
    with pytest.raises(BranchRefused, match="refused"):
        default_branch(git, remote(hosted), hosted.clock.sleep)
    assert hosted.clock.slept == []


def test_a_broken_handshake_is_tried_again_and_an_unknown_certificate_is_not(
    local: Local, tmp_path: Path
) -> None:
    clock = FakeClock()
    certificate, key = company_certificate(tmp_path / "company")
    environ = environment(tmp_path, GIT_SSL_CAINFO=str(certificate))
    with TlsRefs(certificate, key) as refs:
        asked = Remote(f"{refs.url}/octo/demo", refs.url, "bot")
        refs.broken_handshakes = 1
        default_branch(Git(local.root, environ, isolated=True), asked, clock.sleep)
        assert len(clock.slept) == 1

        with pytest.raises(BranchRefused, match="certificate"):
            default_branch(Git(local.root, environment(tmp_path)), asked, clock.sleep)
        assert len(clock.slept) == 1


def test_a_rule_of_the_server_is_final(hosted: Hosted) -> None:
    hosted.server.protect(REPOSITORY, BRANCHES.state)
    store = hosted.store()
    store.load()
    store.save(state(1), STARTED)
    with pytest.raises(BranchRefused, match="branch rule"):
        store.sync()
    assert (hosted.clock.slept, len(hosted.server.refused_pushes)) == ([], 1)


def test_contention_that_lasts_loses_nothing_and_no_lease(hosted: Hosted) -> None:
    store = begun(hosted)
    store.save(state(2), STARTED)
    hosted.server.fail_next("git-receive-pack", CONTENTION[0], times=9)
    with pytest.raises(BranchRefused, match="commit_refs") as failed:
        store.sync()
    assert "run it again" in failed.value.remedy
    assert transitions(hosted) == 1


@pytest.mark.parametrize(
    "output",
    [
        "! [remote rejected] a -> a (pre-receive hook declined)",
        "! [remote rejected] a -> a (protected branch hook declined)",
        "! [remote rejected] a -> a (push declined due to repository rule violations)",
        "remote: error: GH001: Large files detected.",
        "remote: Permission to octo/demo.git denied to rita.",
        "fatal: unable to access 'http://x/': The requested URL returned error: 403",
        "fatal: unable to access 'http://x/': The requested URL returned error: 413",
        "remote: Repository not found.\nfatal: repository 'http://x/' not found",
        "fatal: couldn't find remote ref refs/heads/x",
        "fatal: remote error: upload-pack: not our ref 1111",
        "refusing to allow a GitHub App to create or update workflow",
        "cannot lock ref 'refs/heads/a/b': 'refs/heads/a' exists; cannot create 'refs/heads/a/b'",
        "fatal: could not read Username for 'http://x': terminal prompts disabled",
        "fatal: '/nowhere' does not appear to be a git repository",
        "",
    ],
)
def test_what_is_listed_as_a_refusal_is_final(output: str) -> None:
    assert is_final(output)


@pytest.mark.parametrize(
    "output",
    [
        "error: cannot lock ref 'refs/heads/a': Unable to create '/x/a.lock': File exists.",
        "! 1:refs/heads/loop/denied/state [remote rejected] (failure)",
        "fatal: unable to access 'http://x/': gnutls_handshake() failed",
        "fatal: unable to access 'http://declined/': Connection timed out",
        "error: RPC failed; curl 18 transfer closed with outstanding read data remaining",
        "fatal: unable to access 'http://x/': The requested URL returned error: 429",
        "remote: You have exceeded a rate limit.\nThe requested URL returned error: 403",
        "fatal: Could not read from remote repository.",
        "something nobody has seen before",
    ],
)
def test_whatever_else_fails_may_pass(output: str) -> None:
    assert may_pass(output)
