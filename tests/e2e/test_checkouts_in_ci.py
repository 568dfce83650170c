"""Jobs whose checkout, default branch or way to the server is not the usual one."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.e2e.conftest import CARD, REPOSITORY, TWO_ROUNDS, Hub, MakeHub
from tests.e2e.shapes import ShapedHub, assert_approved_in_two_rounds
from tests.support.git_client import WorkingCopy
from tests.support.git_log import GitLog
from tests.support.git_proxy import WebProxy


def rename_default_branch(hub: Hub, name: str) -> str:
    """Make `name` the default branch in place of main, as the settings page does."""
    sha = hub.bare.head("main")
    assert sha is not None
    hub.bare.set_branch(name, sha)
    hub.bare.git("symbolic-ref", "HEAD", f"refs/heads/{name}")
    hub.bare.delete_branch("main")
    return sha


def detached(checkout: WorkingCopy) -> None:
    checkout.git("checkout", "--quiet", "--detach")


@pytest.mark.parametrize("name", ["trunk", "release/1.x"])
def test_a_default_branch_of_another_name_works_detached_and_beside_tags_of_the_same_names(
    hub: Hub, name: str
) -> None:
    first = hub.bare.commit_files("side", {"other.txt": "other\n"})
    rename_default_branch(hub, name)
    for tag in (name, "main", "loop/T-001/work", "loop/T-001/state"):
        hub.bare.git("update-ref", f"refs/tags/{tag}", first)
    shaped = ShapedHub.of(hub, "--depth=1")
    shaped.default_branch = name
    shaped.prepare = detached

    assert_approved_in_two_rounds(shaped)

    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert pull.base == name
    assert hub.api.dispatches[0].ref == name
    work = hub.bare.head("loop/T-001/work")
    assert hub.bare.git("diff", "--name-only", f"refs/heads/{name}", work or "").split() == [
        "calc.py"
    ]


def test_a_base_branch_that_the_card_names_is_what_the_work_is_built_on(
    make_hub: MakeHub,
) -> None:
    hub = ShapedHub.of(make_hub(TWO_ROUNDS, {**CARD, "base_branch": "develop/next"}))
    base = hub.bare.commit_files("develop/next", {"new.txt": "new\n"}, parent=hub.bare.head("main"))

    assert_approved_in_two_rounds(hub)

    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert pull.base == "develop/next"
    assert hub.state()["base_sha"] == base
    assert hub.api.dispatches[0].ref == "main"


def test_a_checkout_in_a_subfolder_of_the_workspace_is_found(hub: Hub) -> None:
    shaped = ShapedHub.of(hub)

    def beside_another(checkout: WorkingCopy) -> None:
        moved = checkout.path.parent / "moved"
        checkout.path.rename(moved)
        (checkout.path / "apps").mkdir(parents=True)
        moved.rename(checkout.path / "apps" / "demo")
        tools = checkout.path / "tools"
        WorkingCopy.clone(f"{hub.git.url}/octo/tools", tools, "bot")

    hub.git.create_repository("octo/tools")
    hub.git.repository("octo/tools").commit_files("main", {"a": "a"})
    shaped.prepare = beside_another

    assert_approved_in_two_rounds(shaped)


def refused(hub: Hub, prepare: object) -> str:
    """What a job says that ends at once, without a push."""
    shaped = ShapedHub.of(hub)
    assert callable(prepare)
    shaped.prepare = prepare
    job = shaped.job()
    assert job.code == 1, job.log
    assert hub.git.pushes == []
    return job.log


def test_a_checkout_of_another_repository_is_refused(hub: Hub) -> None:
    hub.git.create_repository("evil-octo/demo")
    hub.git.repository("evil-octo/demo").commit_files("main", {"a": "a"})

    def another(checkout: WorkingCopy) -> None:
        shutil.rmtree(checkout.path)
        WorkingCopy.clone(f"{hub.git.url}/evil-octo/demo", checkout.path, "bot")

    log = refused(hub, another)

    assert "is a checkout of evil-octo/demo, and the job is one of octo/demo." in log
    assert "Check out octo/demo" in log


def test_two_checkouts_of_the_repository_are_one_too_many(hub: Hub) -> None:
    def twice(checkout: WorkingCopy) -> None:
        shutil.rmtree(checkout.path)
        for name in ("one", "two"):
            WorkingCopy.clone(f"{hub.git.url}/{REPOSITORY}", checkout.path / name, "bot")

    log = refused(hub, twice)

    assert "There are 2 checkouts in" in log
    assert "one, two" in log
    assert "working-directory" in log


def test_a_checkout_of_another_user_is_worked_on(hub: Hub, tmp_path: Path) -> None:
    shaped = ShapedHub.of(hub)
    shaped.variables = GitLog(tmp_path / "bin", foreign="/checkout").environment()

    first = shaped.job()

    assert first.code == 0, first.log
    assert first.outputs["continue"] == "true"


SEEN = {
    "role": "worker",
    "round": 1,
    "steps": [{"run": ["sh", "-c", "env >seen.txt"]}],
}


def test_everything_goes_through_the_jobs_proxy_and_the_token_to_the_server_alone(
    make_hub: MakeHub,
) -> None:
    scenes = [{**TWO_ROUNDS["scenes"][0]}, *TWO_ROUNDS["scenes"][1:]]
    scenes[0]["steps"] = [*SEEN["steps"], *scenes[0]["steps"]]
    hub = ShapedHub.of(make_hub({"scenes": scenes}))
    with WebProxy() as proxy:
        hub.variables = {"http_proxy": proxy.url, "https_proxy": proxy.url, "no_proxy": "x.test"}
        first = hub.job()
        assert first.code == 0, first.log
        hosts = {urlsplit(url).netloc for url in (hub.git.url, hub.api.url)}
        assert {one.host for one in proxy.passed} == hosts
        assert sum(one.host == urlsplit(hub.git.url).netloc for one in proxy.passed) > 4
    seen = (hub.bare.file("loop/T-001/work", "seen.txt") or b"").decode()
    told = dict(line.partition("=")[::2] for line in seen.splitlines())
    proxies = {name: told.get(name) for name in ("http_proxy", "https_proxy", "no_proxy")}
    assert proxies == dict(hub.variables)
    token = base64.b64encode(b"x-access-token:bot").decode()
    assert not [word for word in ("GITHUB", "http.", "extraheader", token) if word in seen]


def test_a_server_of_ones_own_is_where_fetches_and_pushes_go(hub: Hub, tmp_path: Path) -> None:
    shaped = ShapedHub.of(hub)

    def from_a_mirror(checkout: WorkingCopy) -> None:
        checkout.git("remote", "set-url", "origin", "https://mirror.example.com:8443/octo/demo")

    shaped.prepare = from_a_mirror
    before = len(hub.git.requests)

    first = shaped.job(env={"GITHUB_SERVER_URL": f"{hub.git.url}/"})

    assert first.code == 0, first.log
    assert len(hub.git.pushes) == 4
    assert {one.login for one in hub.git.requests[before:]} <= {None, "github-actions[bot]"}
