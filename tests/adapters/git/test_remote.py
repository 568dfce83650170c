"""Questions to the git server: what is fetched, and what is said when it does not answer."""

from __future__ import annotations

import re
import shlex

import pytest
from tests.adapters.conftest import Hosted
from tests.support.git_faults import GitFault

from loop_kit.adapters.git.command import ANONYMOUS, Git, Identity, committer
from loop_kit.adapters.git.remote import Remote, default_branch, fetch_commit
from loop_kit.adapters.retry import TRIES
from loop_kit.errors import BadSetting, BranchRefused

NOBODY = "http://127.0.0.1:9"


def dead() -> Remote:
    return Remote("http://mona:hunter2@127.0.0.1:9/octo/demo", NOBODY)


def remote(hosted: Hosted, token: str = "bot") -> Remote:
    return Remote(hosted.url, hosted.server.url, token)


def test_a_commit_is_fetched_as_the_ref_that_is_asked_for(hosted: Hosted) -> None:
    git = hosted.checkout()
    tip = hosted.bare.commit_files("main", {"later.py": "x\n"}, "Later")

    assert fetch_commit(git, remote(hosted), tip, ref="refs/loop-kit/T-001/base") == tip
    assert git.text("rev-parse", "refs/loop-kit/T-001/base") == tip


def test_a_commit_comes_with_as_much_history_as_is_asked_for(hosted: Hosted) -> None:
    git = hosted.checkout()
    tip = hosted.bare.commit_files("main", {"later.py": "x\n"}, "Later")

    fetch_commit(git, remote(hosted), tip, depth=2)

    assert git.text("rev-list", "--count", tip) == "2"


def test_a_commit_that_the_server_lacks_is_asked_for_once(hosted: Hosted) -> None:
    with pytest.raises(BranchRefused, match="cannot be fetched"):
        fetch_commit(hosted.checkout(), remote(hosted), "1" * 40, sleep=hosted.clock.sleep)
    assert hosted.clock.slept == []


def test_a_server_that_does_not_answer_is_asked_again_and_its_login_is_not_shown(
    hosted: Hosted,
) -> None:
    with pytest.raises(BranchRefused, match="does not answer") as fetched:
        fetch_commit(hosted.checkout(), dead(), "main", sleep=hosted.clock.sleep)
    with pytest.raises(BranchRefused, match="does not answer") as asked:
        default_branch(hosted.checkout(), dead(), hosted.clock.sleep)

    assert len(hosted.clock.slept) == 2 * (TRIES - 1)
    assert "hunter2" not in f"{fetched.value}{asked.value}"


def test_a_server_that_is_known_to_be_down_is_asked_once_until_it_answers(hosted: Hosted) -> None:
    git, asked, clock = hosted.checkout(), remote(hosted), hosted.clock
    hosted.server.fail_next("git-upload-pack", GitFault("status", 503), times=TRIES)
    with pytest.raises(BranchRefused, match="does not answer"):
        fetch_commit(git, asked, "main", sleep=clock.sleep)
    assert len(clock.slept) == TRIES - 1
    clock.slept.clear()

    hosted.server.fail_next("git-upload-pack", GitFault("status", 503))
    with pytest.raises(BranchRefused, match="does not answer"):
        fetch_commit(git, asked, "main", sleep=clock.sleep)
    assert clock.slept == []

    fetch_commit(git, asked, "main", sleep=clock.sleep)
    hosted.server.fail_next("git-upload-pack", GitFault("status", 503))
    fetch_commit(git, asked, "main", sleep=clock.sleep)
    assert len(clock.slept) == 1


def test_no_request_is_repeated_when_the_job_is_nearly_over(hosted: Hosted) -> None:
    git, asked = hosted.checkout(), remote(hosted)
    asked.deadline.set(0.5)
    hosted.server.fail_next("git-upload-pack", GitFault("status", 503))

    with pytest.raises(BranchRefused, match="does not answer"):
        fetch_commit(git, asked, "main", sleep=hosted.clock.sleep)

    assert hosted.clock.slept == []


def test_the_default_branch_is_the_one_that_the_servers_head_names(hosted: Hosted) -> None:
    git = hosted.checkout()
    assert default_branch(git, remote(hosted)) == "main"

    hosted.bare.git("symbolic-ref", "HEAD", "refs/heads/feature/trunk")
    assert default_branch(git, remote(hosted)) is None
    hosted.bare.set_branch("feature/trunk", hosted.bare.head("main") or "")

    assert default_branch(git, remote(hosted)) == "feature/trunk"


def test_a_token_that_is_refused_is_not_asked_with_again(hosted: Hosted) -> None:
    with pytest.raises(BranchRefused, match="The git server refused"):
        default_branch(hosted.checkout(), remote(hosted, "stranger"), hosted.clock.sleep)
    assert hosted.clock.slept == []


def configured(hosted: Hosted, **settings: str) -> Git:
    git = Git(hosted.checkout().directory, {"PATH": "/usr/bin:/bin"}, isolated=True)
    for name, value in settings.items():
        git.run("config", f"user.{name}", value)
    return git


def test_the_user_commits_where_git_knows_one(hosted: Hosted) -> None:
    git = configured(hosted, name="Mona Lisa", email="mona@example.org", useConfigOnly="true")
    assert committer(git) == Identity("Mona Lisa", "mona@example.org")


def test_a_name_is_used_as_git_can_write_it(hosted: Hosted) -> None:
    git = configured(hosted, name="Mona <Lisa>", email="mona@example.org")
    assert committer(git) == Identity("Mona Lisa", "mona@example.org")


@pytest.mark.parametrize("settings", [{}, {"useConfigOnly": "false"}, {"name": "", "email": ""}])
def test_where_git_has_no_identity_loop_kit_commits(
    hosted: Hosted, settings: dict[str, str]
) -> None:
    assert committer(configured(hosted, **settings)) == ANONYMOUS


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"email": "mona@example.org", "useConfigOnly": "true"}, ["user.name"]),
        ({"name": "Mona", "email": ""}, ["user.email"]),
        ({"useConfigOnly": "true"}, ["user.name", "user.email"]),
        ({"name": "<>", "email": "mona@example.org"}, ["user.name", "user.email"]),
    ],
)
def test_an_identity_with_which_git_would_not_commit_is_refused_with_what_to_type(
    hosted: Hosted, settings: dict[str, str], missing: list[str]
) -> None:
    git = configured(hosted, **settings)
    with pytest.raises(BadSetting) as refused:
        committer(git)

    assert " and ".join(missing) in refused.value.sentence
    typed = re.findall("`git (.+?)`", refused.value.remedy)
    assert [words.split()[1] for words in typed] == missing
    for words in typed:
        git.run(*shlex.split(words))
    assert committer(git).email.endswith(("@example.org", "@example.com"))
