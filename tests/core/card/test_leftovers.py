"""Which new files of a worker are committed for it, and which are only named."""

from __future__ import annotations

import pytest

from loop_kit.core.card.leftovers import (
    Leftovers,
    explain_excess,
    explain_left,
    explain_rebase,
    explain_unfinished,
    has_conflict,
    sort_leftovers,
)

CONFLICT = b"a\n<<<<<<< HEAD\nmine\n=======\nyours\n>>>>>>> other\nz\n"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (".venv/bin/python", ".venv/"),
        ("api/venv/lib/x.py", "api/venv/"),
        ("web/node_modules/a/node_modules/b.js", "web/node_modules/"),
        ("pkg/__pycache__/a.cpython-311.pyc", "pkg/__pycache__/"),
        ("demo.egg-info/PKG-INFO", "demo.egg-info/"),
        (".pytest_cache/v/x", ".pytest_cache/"),
        (".next/build.json", ".next/"),
        ("target/debug/app", "target/"),
        ("dist/b.js", "dist/"),
        (".env", ".env"),
        ("web/.env.local", "web/.env.local"),
        ("debug.log", "debug.log"),
        (".coverage", ".coverage"),
        ("lib/a.o", "lib/a.o"),
        ("vendored/", "vendored/"),
        ("deep/down/repository/", "deep/down/repository/"),
    ],
)
def test_what_tools_secrets_and_other_repositories_leave_is_only_named(
    path: str, name: str
) -> None:
    assert sort_leftovers([path], []) == Leftovers(left=(name,))


@pytest.mark.parametrize(
    "path",
    ["a.py", "src/environment.py", "docs/log.md", "logs.py", "buildings/a.py", "src/venv.py"],
)
def test_a_source_file_is_taken_although_its_name_is_similar(path: str) -> None:
    assert sort_leftovers([path], []) == Leftovers(taken=(path,))


def test_a_virtual_environment_is_known_by_what_is_in_it() -> None:
    new = ["env/pyvenv.cfg", "env/lib/a.py", "environment.py", "c/conda-meta/history", "c/a.py"]
    assert sort_leftovers(new, []) == Leftovers(taken=("environment.py",), left=("c/", "env/"))


def test_a_repository_is_known_by_what_is_in_it_whatever_it_is_called() -> None:
    copy = [".git2/HEAD", ".git2/config", ".git2/objects/ab/cdef"]
    found = sort_leftovers([*copy, "vendor/x.git/HEAD", "vendor/x.git/config", "src/config"], [])
    assert found == Leftovers(taken=("src/config",), left=(".git2/", "vendor/x.git/"))


def test_a_folder_that_holds_tracked_files_is_the_projects_own() -> None:
    found = sort_leftovers(["build/new.py", "x/build/new.py"], ["build/old.py"])
    assert found == Leftovers(taken=("build/new.py",), left=("x/build/",))


def test_more_files_than_the_limit_are_not_taken() -> None:
    new = [f"{n}.py" for n in range(3)]
    assert sort_leftovers(new, [], limit=3).taken == tuple(new)
    assert sort_leftovers(new, [], limit=2) == Leftovers(excess=tuple(new))
    assert sort_leftovers(new, [], limit=0).taken == tuple(new)


def test_a_folder_that_was_moved_is_not_too_many() -> None:
    new = [f"new/{n}.py" for n in range(60)]
    assert sort_leftovers(new, [], removed=60, limit=50).taken == tuple(sorted(new))


def test_what_tools_leave_does_not_count_against_the_limit() -> None:
    found = sort_leftovers(["a.py", *(f"node_modules/{n}" for n in range(99))], [], limit=1)
    assert found == Leftovers(taken=("a.py",), left=("node_modules/",))


def test_what_is_left_is_named_safely_and_in_few_words() -> None:
    paths = tuple(f"{n}\n\x1b[31m.log" for n in range(25))
    sentence = explain_left(Leftovers(left=paths), ())[0]
    assert sentence.endswith("18.log, 19.log and 5 more.") or "and 5 more." in sentence
    assert "\x1b" not in sentence
    assert "\n" not in sentence
    assert explain_left(Leftovers(), ["git~1"])[0].endswith("refuses these paths: git~1.")
    assert explain_left(Leftovers(left=("\udce9.log",)), ())[0].encode()


def test_nothing_left_is_no_sentence() -> None:
    assert explain_left(Leftovers(), ()) == ()
    assert explain_excess(Leftovers(), 1) is None
    assert explain_unfinished(None, (), None) is None


def test_what_is_unfinished_is_explained_with_the_paths_and_what_to_do() -> None:
    sentence = explain_unfinished("merge", ("a.py", "b.py"), None) or ""
    assert "unfinished merge" in sentence
    assert "a.py, b.py" in sentence
    assert "conflicts in a.py" in explain_rebase(("a.py",))
    excess = explain_excess(Leftovers(excess=("a", "b")), 1)
    assert explain_unfinished(None, (), excess) == (
        "2 new files are not committed, more than max-leftovers (1): a, b."
        " Commit those that are your work, and list the others in .gitignore."
    )


def test_a_conflict_is_found_by_its_three_markers_in_their_order() -> None:
    assert has_conflict(CONFLICT)
    assert has_conflict(CONFLICT.replace(b"\n", b"\r\n"))
    assert has_conflict(CONFLICT.replace(b"=======", b"||||||| base\nold\n======="))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Title\n=======\n",
        b"<<<<<<< HEAD\n=======\n",
        b"  <<<<<<< HEAD\n  =======\n  >>>>>>> x\n",
        b"======= x\n<<<<<<< HEAD\n>>>>>>> x\n",
    ],
)
def test_what_only_resembles_a_conflict_is_none(content: bytes) -> None:
    assert not has_conflict(content)
