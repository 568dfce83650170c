"""`loop index`, through the installed command: the map of the Python files that git tracks."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.harness import LOOP, assert_refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.harness import Repo

SOURCE = '"""What it is for.\n\nMore."""\n\n\nclass A:\n    x = 1\n\n\nasync def g(): ...'


def tracked(repo: Repo, name: str, content: str | bytes = SOURCE) -> Path:
    path = repo.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    repo.git("add", "--force", name)
    return path


def indexed(repo: Repo) -> dict[str, dict[str, Any]]:
    """The entries of the map by path, after indexing."""
    done = repo.loop("index")
    assert (done.code, done.err) == (0, ""), done.text
    found = repo.json("context/module_map.json")
    assert found["total_files"] == len(found["files"])
    return {entry["path"]: entry for entry in found["files"]}


def test_every_tracked_python_file_has_its_entry(repo: Repo) -> None:
    path = tracked(repo, "src/deep/a.py")
    tracked(repo, "types.pyi", "def f() -> None: ...\n")
    tracked(repo, "notes.txt")
    (repo.root / "untracked.py").write_text("def f(): ...\n")

    found = indexed(repo)

    assert list(found) == ["calc.py", "src/deep/a.py", "types.pyi"]
    assert found["src/deep/a.py"] == {
        "path": "src/deep/a.py",
        "exports": ["class A:L6", "async def g:L10"],
        "docstring": "What it is for.",
        "loc": 10,
        "size_bytes": len(SOURCE),
        "last_modified": path.stat().st_mtime_ns,
    }
    assert found["types.pyi"]["loc"] == 1
    assert repo.json("context/module_map.json")["generated_at"].endswith("Z")


def test_it_says_how_many_files_and_where_the_map_is(repo: Repo) -> None:
    target = repo.folder / "context" / "module_map.json"
    assert repo.loop("index").out == f"Indexed: 1 files (0 unchanged) -> {target}\n"
    assert repo.loop("index").out == f"Indexed: 1 files (1 unchanged) -> {target}\n"


def test_an_unchanged_file_is_not_read_again_and_a_changed_one_is(repo: Repo) -> None:
    path = tracked(repo, "a.py", "def first(): ...\n")
    indexed(repo)
    target = repo.folder / "context" / "module_map.json"
    target.write_text(target.read_text().replace("def first", "def from_the_map"))

    assert indexed(repo)["a.py"]["exports"] == ["def from_the_map:L1"]
    path.write_text("def other(): ...\n")
    os.utime(path, (1, 1))
    assert indexed(repo)["a.py"]["exports"] == ["def other:L1"]
    path.unlink()
    assert "a.py" not in indexed(repo)


def test_a_map_of_agent_task_runner_is_taken_over(repo: Repo) -> None:
    path = tracked(repo, "a.py")
    seen = path.stat()
    entry = {"path": "a.py", "exports": ["def kept:L1"], "docstring": "", "loc": 1}
    entry |= {"size_bytes": seen.st_size, "last_modified": seen.st_mtime_ns}
    (repo.folder / "context").mkdir()
    target = repo.folder / "context" / "module_map.json"
    target.write_text(
        json.dumps({"files": [entry], "generated_at": "", "total_files": 1}, indent=2)
    )

    assert indexed(repo)["a.py"]["exports"] == ["def kept:L1"]


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\xff" * 99, b'{"files": [{"path": 1}]}', b"[" * 99999]
)
def test_a_damaged_map_is_made_again(repo: Repo, damage: bytes) -> None:
    (repo.folder / "context").mkdir()
    (repo.folder / "context" / "module_map.json").write_bytes(damage)
    assert list(indexed(repo)) == ["calc.py"]


def test_what_does_not_parse_has_no_exports_and_warns_nobody(repo: Repo) -> None:
    for name, content in (
        ("broken", "def f(:\n"),
        ("null", "\0"),
        ("deep", "x = " + "(" * 9999),
        ("empty", ""),
        ("escape", "x = '\\d'\ny = 1or 2\n"),
    ):
        tracked(repo, f"{name}.py", content)
    tracked(repo, "latin.py", b"# -*- coding: latin-1 -*-\n# caf\xe9\ndef f(): ...\n")
    tracked(repo, "marked.py", b"\xef\xbb\xbfdef f(): ...\n")

    found = indexed(repo)

    names = ("broken", "null", "deep", "empty", "escape")
    assert [found[f"{name}.py"]["exports"] for name in names] == [[]] * 5
    assert (found["empty.py"]["loc"], found["broken.py"]["loc"]) == (0, 1)
    assert found["latin.py"]["exports"] == ["def f:L3"]
    assert found["marked.py"]["exports"] == ["def f:L1"]


def test_links_submodules_folders_and_large_files_are_passed_over(repo: Repo) -> None:
    outside = repo.home / "secret.py"
    outside.write_text("def secret(): ...\n")
    (repo.root / "link.py").symlink_to(outside)
    repo.git("add", "link.py")
    tracked(repo, "large.py", "x = 1\n" + "#" * 1024 * 1024)
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{repo.head},sub.py")
    (repo.root / "sub.py").mkdir()
    tracked(repo, "moved/secret.py")
    (repo.root / "moved" / "secret.py").unlink()
    (repo.root / "moved").rmdir()
    (repo.root / "moved").symlink_to(repo.home)

    assert list(indexed(repo)) == ["calc.py"]


def test_a_file_name_is_only_a_name(repo: Repo) -> None:
    names = ['a"b.py', "new\nline.py", "ü.py", "-n.py"]
    for name in names:
        (repo.root / name).write_text(SOURCE)
        repo.git("add", "--", name)
    raw = os.fsencode(repo.root) + b"/\xff.py"
    with open(raw, "w") as stream:  # noqa: PTH123 - the name is bytes
        stream.write(SOURCE)
    repo.git("add", "--all")

    found = indexed(repo)

    assert sorted(found) == sorted([*names, "calc.py", "\udcff.py"])
    assert repo.loop("index").out.startswith("Indexed: 6 files (6 unchanged)")


def test_it_works_from_a_subfolder_and_for_another_folder(repo: Repo) -> None:
    tracked(repo, "deep/a.py")

    done = repo.loop("index", "--loop-dir", "other", cwd=repo.root / "deep")

    assert done.out.startswith("Indexed: 2 files")
    assert (repo.root / "other" / "context" / "module_map.json").is_file()
    assert not (repo.folder / "context").exists()


def test_without_a_repository_it_is_refused(repo: Repo) -> None:
    assert_refused(repo.loop("index", cwd=repo.home), 1, "not in a git work tree")


def test_a_context_folder_that_is_a_link_is_refused(repo: Repo) -> None:
    (repo.folder / "context").symlink_to(repo.home)
    assert_refused(repo.loop("index"), 3, "context is a link")
    assert not (repo.home / "module_map.json").exists()


def test_a_terminal_sees_how_far_it_is(repo: Repo) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [str(LOOP), "index"],
        cwd=repo.root,
        env=repo.environ,
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=60,
        check=True,
    )
    os.close(theirs)
    assert b"1 of 1 files" in os.read(ours, 1000)
    os.close(ours)
    assert done.stdout.startswith(b"Indexed: 1 files")
