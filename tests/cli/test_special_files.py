"""Pipes, sockets and devices in the user's own work tree hang nothing: a sentence names them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.harness import Repo
from tests.support.unix_sockets import bound

IN_THE_TREE = (".gitignore", ".gitattributes", ".gitmodules")
INSIDE = ("info/exclude", "info/attributes", "packed-refs", "shallow", "HEAD", "config")
OURS = (
    ".loop/config.yaml",
    ".loop/task_card.json",
    "AGENTS.md",
    ".loop/templates/worker_prompt.txt",
)


def put_pipe(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize("name", [*IN_THE_TREE, *(f".git/{name}" for name in INSIDE), *OURS])
def test_a_pipe_is_refused_at_once_with_a_sentence(repo: Repo, name: str) -> None:
    put_pipe(repo.root / name)

    done = repo.run()

    assert done.code in {1, 3, 6}, done.text
    assert f"{repo.root / name} " in done.text
    assert "bug" not in done.text
    assert [call.name for call in repo.calls] == []


def test_a_socket_and_a_device_are_refused_too(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo.root)
    with bound(repo.root / ".gitignore"):
        assert "git would wait for it" in repo.run().text
    (repo.root / ".gitignore").unlink()
    (repo.root / ".git" / "info" / "exclude").unlink()
    (repo.root / ".git" / "info" / "exclude").symlink_to("/dev/zero")
    assert "git would wait for it" in repo.run().text


AGAIN = (".gitattributes", "sub/.gitignore", "AGENTS.md", ".loop/archive")
WITHOUT_HARM = ("README.md", ".loop/runtime/write_ahead", ".loop/state.json", ".loop/lock")


@pytest.mark.parametrize("name", [*AGAIN, *WITHOUT_HARM])
def test_a_pipe_that_an_agent_leaves_in_the_users_tree_neither_blocks_nor_loses_the_loop(
    repo: Repo, name: str
) -> None:
    path = repo.root / name
    pipe = f"mkdir -p {path.parent}; rm -rf {path}; mkfifo {path}"
    work = [{"write": {"calc.py": "VALUE = 2\n"}}, {"commit": "Value"}, {"sh": pipe}]
    repo.plan({"worker/1/1": [*work, {"report": {}}]})

    done = repo.run()

    assert "bug" not in done.text
    if name in AGAIN:
        assert done.code in {1, 3}, done.text
        assert name in done.text
        path.unlink()
        done = repo.run("--resume")
    assert done.code == 0, done.text
    assert repo.ended == ("done", "approved")
    assert repo.names.count("worker/1/1") == 1


def test_what_a_person_links_to_nowhere_is_no_special_file(repo: Repo) -> None:
    (repo.root / ".git" / "info" / "attributes").symlink_to(os.devnull)

    assert repo.run().code == 0


def test_a_pipe_in_a_subfolder_is_named_when_git_did_not_end(repo: Repo) -> None:
    put_pipe(repo.root / "sub" / ".gitignore")

    done = repo.run()

    assert done.code != 0
    assert f"{repo.root / 'sub' / '.gitignore'} is a pipe" in done.text
