"""Git as we run it: deaf to what an agent or a shell configured, and mute about tokens."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Hosted, Local, environment, make_local

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.remote import Remote
from loop_kit.adapters.git.repository import locate
from loop_kit.errors import GitFailed, NotARepository

TRAP = "touch {marker}; cat"


def program(folder: Path, marker: Path, name: str = "trap") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{TRAP.format(marker=marker)}\n")
    path.chmod(0o755)
    return path


def use_much_of_git(local: Local) -> None:
    local.write("a.py", "changed\n")
    local.git.run("status")
    local.commit({"b.py": "b\n"})
    local.git.run("checkout", "--quiet", "-b", "other")
    local.git.run("update-index", "-q", "--refresh", ok=(0, 1))
    local.git.run("gc", "--auto")
    local.git.run("fetch", "--quiet", str(local.root), "main")


@pytest.mark.parametrize("setting", ["core.hooksPath", "core.fsmonitor", "commit.gpgSign"])
def test_a_program_that_the_repository_configures_is_not_run(
    local: Local, tmp_path: Path, setting: str
) -> None:
    marker = tmp_path / "owned"
    for name in ("pre-commit", "post-commit", "post-checkout", "reference-transaction"):
        program(tmp_path / "hooks", marker, name)
        program(local.root / ".git" / "hooks", marker, name)
    trap = program(tmp_path, marker)
    values = {
        "core.hooksPath": str(tmp_path / "hooks"),
        "core.fsmonitor": str(trap),
        "commit.gpgSign": "true",
    }
    local.git.run("config", "gpg.program", str(trap))
    local.git.run("config", setting, values[setting])
    use_much_of_git(local)
    assert not marker.exists()


def test_an_alias_takes_the_place_of_no_command(local: Local, tmp_path: Path) -> None:
    marker = tmp_path / "owned"
    for name in ("status", "commit", "rev-parse", "diff"):
        local.git.run("config", f"alias.{name}", f"!touch {marker}")
    use_much_of_git(local)
    assert not marker.exists()


def test_a_remote_helper_is_not_run(local: Local, tmp_path: Path) -> None:
    marker = tmp_path / "owned"
    url = f"ext::sh -c 'touch {marker}'"
    local.git.run("config", "protocol.ext.allow", "always")
    local.git.run("config", "url.ext::sh.insteadOf", "https://github.com/")
    with pytest.raises(GitFailed, match="transport 'ext' not allowed"):
        local.git.run("fetch", url)
    assert not marker.exists()


@pytest.mark.parametrize(
    "name",
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"],
)
def test_variables_that_point_elsewhere_are_not_followed(
    local: Local, tmp_path: Path, name: str
) -> None:
    other = make_local(tmp_path / "elsewhere" / "other")
    git = Git(local.root, environment(tmp_path, **{name: str(other.root / ".git")}))
    assert git.text("rev-parse", "HEAD") == local.head
    assert git.text("status", "--porcelain") == ""


def test_programs_and_settings_in_the_environment_are_not_taken(
    local: Local, tmp_path: Path
) -> None:
    marker = tmp_path / "owned"
    trap = str(program(tmp_path, marker))
    names = ("GIT_EXTERNAL_DIFF", "GIT_SSH_COMMAND", "GIT_SSH", "GIT_ASKPASS", "GIT_PAGER")
    environ = environment(tmp_path, **dict.fromkeys(names, trap))
    environ |= {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "diff.external",
        "GIT_CONFIG_VALUE_0": trap,
        "GIT_CONFIG_PARAMETERS": f"'diff.external'='{trap}'",
        "GIT_EXEC_PATH": str(tmp_path),
        "GIT_TEMPLATE_DIR": str(tmp_path),
    }
    local.write("a.py", "changed\n")
    assert "changed" in Git(local.root, environ).text("diff")
    assert not marker.exists()


def test_the_users_own_configuration_counts_unless_isolated(local: Local, tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text("[loop]\n  seen = yes\n")
    environ = environment(tmp_path)
    assert Git(local.root, environ).text("config", "loop.seen") == "yes"
    isolated = Git(local.root, environ, isolated=True)
    assert isolated.run("config", "loop.seen", ok=(1,)).out == b""


def test_a_replace_ref_replaces_nothing(local: Local) -> None:
    before = local.head
    tree = local.git.text("hash-object", "-t", "tree", "-w", os.devnull)
    fake = local.git.text("commit-tree", tree, "-m", "Fake", env=IDENTITY.environment())
    local.git.run("update-ref", f"refs/replace/{before}", fake)
    assert local.git.text("log", "-1", "--format=%s", before) == "Start"


def test_the_token_goes_by_the_environment_to_its_server_alone(hosted: Hosted) -> None:
    git = hosted.checkout()
    auth = Remote(hosted.url, hosted.server.url, "bot").authorization()
    elsewhere = Remote(hosted.url, "https://elsewhere.example", "bot").authorization()
    git.run("ls-remote", hosted.url, env=auth)
    with pytest.raises(GitFailed):
        git.run("ls-remote", hosted.url)
    with pytest.raises(GitFailed):
        git.run("ls-remote", hosted.url, env=elsewhere)


def test_a_header_that_a_checkout_step_left_behind_is_replaced(hosted: Hosted) -> None:
    git = hosted.checkout()
    wrong = base64.b64encode(b"x-access-token:wrong").decode()
    key = f"http.{hosted.server.url}/.extraheader"
    git.run("config", key, f"AUTHORIZATION: basic {wrong}")
    auth = Remote(hosted.url, hosted.server.url, "bot").authorization()
    git.run("ls-remote", hosted.url, env=auth)
    assert hosted.server.requests[-1].login == "github-actions[bot]"


def test_the_token_is_in_no_argument_and_no_file(hosted: Hosted, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >>{seen}\nexec {shutil.which("git")} "$@"\n')
    wrapper.chmod(0o755)
    checkout = hosted.checkout().directory
    environ = {**environment(tmp_path), "PATH": f"{wrapper.parent}:{os.environ['PATH']}"}
    hosted.server.add_token("t0p-s3cret-token", "github-actions[bot]")
    git = Git(checkout, environ, isolated=True)
    store = hosted.store(git=git, token="t0p-s3cret-token")
    assert store.load() is None
    encoded = base64.b64encode(b"x-access-token:t0p-s3cret-token")
    held = [p.read_bytes() for p in checkout.rglob("*") if p.is_file()] + [seen.read_bytes()]
    assert b"fetch --quiet" in held[-1]
    assert not [h for h in held if encoded in h or b"t0p-s3cret" in h]
    assert "t0p-s3cret" not in repr(store._remote)


def test_no_token_means_no_header() -> None:
    assert Remote("https://github.com/o/r", "https://github.com", "").authorization() == {}


def test_a_failure_is_reported_in_gits_words_with_the_command(local: Local) -> None:
    with pytest.raises(GitFailed, match=r"`git rev-parse` failed: fatal: Needed"):
        local.git.run("rev-parse", "--verify", "nowhere")


def test_a_command_that_hangs_is_ended_and_named(local: Local) -> None:
    git = Git(local.root, environment(local.root), timeout=0.3)
    with pytest.raises(GitFailed, match=r"`git -c` took longer than 0\.3 s"):
        git.run("-c", "alias.wait=!sleep 300", "wait")


def test_a_missing_git_is_said(tmp_path: Path) -> None:
    with pytest.raises(GitFailed, match="git is not installed"):
        Git(tmp_path, {"PATH": str(tmp_path)}).run("version")


def test_a_repository_is_found_from_a_subfolder(local: Local) -> None:
    inside = local.root / "deep" / "down"
    inside.mkdir(parents=True)
    place = locate(local.git.at(inside))
    assert (place.root, place.git_dir) == (local.root, local.root / ".git")
    assert (place.head, place.branch) == (local.head, "main")


def test_a_linked_worktree_shares_the_objects(local: Local, tmp_path: Path) -> None:
    local.git.run("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    place = locate(local.git.at(tmp_path / "side"))
    assert (place.root, place.git_dir) == (tmp_path / "side", local.root / ".git")
    assert place.branch == "side"


def test_a_detached_head_is_a_place_too(local: Local) -> None:
    local.git.run("checkout", "--quiet", "--detach")
    assert locate(local.git).branch == "HEAD"


def test_a_path_with_odd_characters_is_found(tmp_path: Path) -> None:
    local = make_local(tmp_path / "with space and ümlaut")
    local.commit({"a": "a"})
    assert locate(local.git).root == local.root


def test_an_empty_repository_and_no_repository_are_distinguished(tmp_path: Path) -> None:
    empty = make_local(tmp_path / "empty")
    with pytest.raises(NotARepository, match="has no commit"):
        locate(empty.git)
    with pytest.raises(NotARepository, match="is not in a git work tree"):
        locate(empty.git.at(tmp_path))


def test_a_bare_repository_is_no_work_tree(tmp_path: Path) -> None:
    git = Git(tmp_path, environment(tmp_path))
    git.run("init", "--quiet", "--bare", "bare.git")
    with pytest.raises(NotARepository, match="is not in a git work tree"):
        locate(git.at(tmp_path / "bare.git"))
