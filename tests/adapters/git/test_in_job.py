"""Git as a job runs it: it takes the way to the server from the runner, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Hosted, Local, environment, workplace
from tests.adapters.workspaces.stand_ins import Scratch
from tests.support.git_log import GitLog
from tests.support.git_proxy import WebProxy
from tests.support.git_tls import TlsRefs, company_certificate

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.remote import Remote
from loop_kit.adapters.git.repository import locate
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.core.loop.state import Role
from loop_kit.errors import GitFailed


@pytest.fixture
def company(tmp_path: Path) -> Iterator[tuple[TlsRefs, Path]]:
    """A server behind TLS, and the certificate that a runner has to know for it."""
    certificate, key = company_certificate(tmp_path / "company")
    with TlsRefs(certificate, key) as refs:
        yield refs, certificate


def settings_in(home: Path, text: str) -> None:
    home.mkdir(exist_ok=True)
    (home / ".gitconfig").write_text(text)


def ask(git: Git, url: str) -> str:
    return git.run("ls-remote", url, env=Remote(url, url, "bot").authorization()).out.decode()


def test_a_certificate_in_the_runners_own_configuration_is_known(
    local: Local, tmp_path: Path, company: tuple[TlsRefs, Path]
) -> None:
    refs, certificate = company
    home = tmp_path / "home"
    settings_in(home, f'[http "{refs.url}/"]\n\tsslCAInfo = {certificate}\n')

    git = Git.in_job(local.root, environment(home), timeout=30)

    assert "refs/heads/main" in ask(git, f"{refs.url}/octo/demo")
    assert all(login.startswith("basic ") for login in refs.logins)


def test_a_certificate_named_in_the_environment_is_known(
    local: Local, tmp_path: Path, company: tuple[TlsRefs, Path]
) -> None:
    refs, certificate = company
    environ = environment(tmp_path / "home", GIT_SSL_CAINFO=str(certificate))

    git = Git.in_job(local.root, environ, timeout=30)

    assert "refs/heads/main" in ask(git, f"{refs.url}/octo/demo")


def test_an_unknown_certificate_is_refused_whatever_the_configuration_says_of_checking(
    local: Local, tmp_path: Path, company: tuple[TlsRefs, Path]
) -> None:
    refs, _ = company
    home = tmp_path / "home"
    settings_in(home, "[http]\n\tsslVerify = false\n")

    git = Git.in_job(local.root, environment(home), timeout=30)

    with pytest.raises(GitFailed, match="certificate"):
        ask(git, f"{refs.url}/octo/demo")
    assert refs.logins == []


def test_a_proxy_in_the_runners_own_configuration_is_used_and_its_password_in_no_argument(
    hosted: Hosted, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    log = GitLog(tmp_path / "bin")
    checkout = hosted.checkout().directory
    with WebProxy() as proxy:
        settings_in(home, f"[http]\n\tproxy = {proxy.url.replace('//', '//me:pa55@')}\n")
        git = Git.in_job(checkout, {**environment(home), **log.environment()}, timeout=30)
        assert "refs/heads/main" in ask(git, hosted.url)
    assert {one.host for one in proxy.passed} == {hosted.server.url.removeprefix("http://")}
    assert log.calls
    assert "pa55" not in " ".join(log.calls)


def test_what_is_written_after_the_job_began_changes_no_way_to_the_server(
    hosted: Hosted, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    checkout = hosted.checkout().directory
    git = Git.in_job(checkout, environment(home), timeout=30)
    with WebProxy() as proxy:
        settings_in(home, f"[http]\n\tproxy = {proxy.url}\n")
        assert "refs/heads/main" in ask(git.at(tmp_path), hosted.url)
    assert proxy.passed == []


@pytest.mark.parametrize(
    "setting",
    [
        '[url "https://elsewhere.example/"]\n\tinsteadOf = http://',
        "[http]\n\textraHeader = X-Mine: 1",
        "[http]\n\tcookieFile = /etc/passwd",
        "[credential]\n\thelper = !false",
    ],
)
def test_nothing_else_is_taken_from_the_runners_own_configuration(
    hosted: Hosted, tmp_path: Path, setting: str
) -> None:
    home = tmp_path / "home"
    settings_in(home, f"{setting}\n")
    git = Git.in_job(hosted.checkout().directory, environment(home), timeout=30)

    auth = Remote(hosted.url, hosted.url, "x").authorization()
    listed = git.run("config", "--list", "--show-scope", env=auth).out

    assert b"global\tsafe.directory=*" in listed
    assert not [word for word in (b"elsewhere", b"X-Mine", b"passwd", b"helper") if word in listed]
    assert "refs/heads/main" in ask(git, hosted.url)


def test_a_checkout_of_another_user_is_located_cloned_and_collected_from(
    local: Local, tmp_path: Path
) -> None:
    log = GitLog(tmp_path / "bin", foreign="/repository")
    environ = {**environment(tmp_path), **log.environment()}
    plain = Git(local.root, environ)
    with pytest.raises(GitFailed, match="dubious ownership"):
        plain.run("rev-parse", "HEAD")

    git = Git.in_job(local.root, environ, timeout=30)
    place = locate(git)
    workspace = Clones(
        workplace(Cloner(git, place.git_dir, Scratch(tmp_path / "scratch"))), IDENTITY
    ).open(Role.WORKER, place.head)
    (workspace.path / "new.py").write_text("new\n")
    head = workspace.collect("Leftovers").head

    assert git.text("diff", "--name-only", place.head, head) == "new.py"
    assert workspace.fingerprint()
