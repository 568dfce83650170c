"""Files of a commit: read several at once, and listed by what a card says is in scope."""

from __future__ import annotations

import os

import pytest
from tests.adapters.conftest import Local

from loop_kit.adapters.git.repository import GitRepository
from loop_kit.errors import GitFailed

MIB = 1024 * 1024


@pytest.fixture
def repository(local: Local) -> GitRepository:
    return GitRepository(local.git)


def test_several_files_are_read_by_one_question(local: Local, repository: GitRepository) -> None:
    head = local.commit({"b c.py": "b\n", "d/ü.py": "ü\n", "empty": ""})
    asked = ["b c.py", "missing", "d/ü.py", "empty", "d", "a\nb"]
    assert repository.read_many(head, asked) == {
        "b c.py": b"b\n",
        "d/ü.py": "ü\n".encode(),
        "empty": b"",
    }
    assert repository.read_many(head, []) == {}


def test_content_that_looks_like_an_answer_is_content(
    local: Local, repository: GitRepository
) -> None:
    text = f"{'0' * 40} blob 3\nabc\nx missing\n"
    head = local.commit({"trick": text, "z": "z"})
    assert repository.read_many(head, ["trick", "z"]) == {"trick": text.encode(), "z": b"z"}


def test_a_link_is_followed_inside_the_commit_and_no_further(
    local: Local, repository: GitRepository
) -> None:
    (local.root / "AGENTS.md").symlink_to("docs/agents.md")
    (local.root / "out").symlink_to("/etc/passwd")
    (local.root / "dangling").symlink_to("nowhere")
    (local.root / "round").symlink_to("round")
    head = local.commit({"docs/agents.md": "be kind\n"})
    asked = ["AGENTS.md", "out", "dangling", "round", "docs/agents.md"]
    assert repository.read_many(head, asked) == {
        "AGENTS.md": b"be kind\n",
        "docs/agents.md": b"be kind\n",
    }


def test_a_file_that_is_too_long_does_not_hide_the_others(
    local: Local, repository: GitRepository
) -> None:
    head = local.commit({"long": "x" * (MIB + 1), "huge": "x" * (5 * MIB), "short": "s"})
    assert repository.read_many(head, ["long", "short"]) == {"short": b"s"}
    assert repository.read_many(head, ["huge", "short"]) == {"short": b"s"}


def test_the_top_of_a_tree_is_its_names(local: Local, repository: GitRepository) -> None:
    head = local.commit({"d/e/f.py": "", "ü b": ""})
    assert set(repository.top(head)) == {"a.py", "run.sh", "d", "ü b"}


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["src/"], ["src/a.py", "src/sub/b.py", "src/sub/c.txt"]),
        (["src/sub/"], ["src/sub/b.py", "src/sub/c.txt"]),
        (["src/**/*.py"], ["src/a.py", "src/sub/b.py"]),
        (["*.py"], ["a.py", "src/a.py", "src/sub/b.py"]),
        (["src/sub/b.py"], ["src/sub/b.py"]),
        (["src/sub/b.py", "a.txt"], ["src/sub/b.py"]),
        (["/src/a.py"], ["src/a.py"]),
        (["src/", "!src/sub/"], ["src/a.py"]),
        (["no/such/folder/"], []),
        (["../outside/"], []),
        (["sr[c]/a.py"], ["src/a.py"]),
    ],
)
def test_files_in_scope_are_found(
    local: Local, repository: GitRepository, patterns: list[str], found: list[str]
) -> None:
    head = local.commit({"src/a.py": "", "src/sub/b.py": "", "src/sub/c.txt": ""})
    assert sorted(repository.matching_files(head, patterns, 100)) == found


def test_no_more_files_are_found_than_asked_for(local: Local, repository: GitRepository) -> None:
    head = local.commit({f"f{n}.txt": "" for n in range(9)})
    assert len(repository.matching_files(head, ["*.txt"], 4)) == 4


def test_a_name_that_is_no_text_is_a_name(local: Local, repository: GitRepository) -> None:
    (local.root / os.fsdecode(b"caf\xe9.py")).write_text("x\n")
    head = local.commit({"b.py": ""})
    (name,) = repository.matching_files(head, ["caf*"], 9)
    assert repository.read_many(head, [name]) == {name: b"x\n"}


def test_files_in_very_many_folders_are_found_too(local: Local, repository: GitRepository) -> None:
    names = [f"d{n:03}/f.py" for n in range(99)]
    head = local.commit(dict.fromkeys(names, "x\n"))
    assert repository.matching_files(head, ["d*/*.py"], 200) == tuple(names)
    assert repository.read_many(head, names) == dict.fromkeys(names, b"x\n")


def test_files_are_listed_in_gits_order_and_once_where_folders_overlap(
    local: Local, repository: GitRepository
) -> None:
    names = ("a-b/x.py", "a/b/c/d.py", "a/b/e.py", "a/é\nb.py", "a.py", "sub/a.py")
    head = local.commit(dict.fromkeys(names, "x\n"))
    found = repository.matching_files(head, ["a/b/c/*", "a/b/", "/a.py", "/nowhere/x/*"], 10)
    assert found == ("a.py", "a/b/c/d.py", "a/b/e.py")
    listed = local.git.run("ls-tree", "-r", "--name-only", "-z", head).out.decode().split("\0")
    assert list(repository.matching_files(head, ["*"], 100)) == listed[:-1]
    assert repository.matching_files(head, ["a.py", "!sub/a.py"], 10) == ("a.py",)


def test_a_tree_that_is_not_here_is_left_to_git_which_says_so(
    local: Local, repository: GitRepository
) -> None:
    head = local.commit({"deep/er/x.py": "x\n"})
    tree = local.git.text("rev-parse", f"{head}:deep/er")
    (local.root / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    with pytest.raises(GitFailed):
        repository.matching_files(head, ["x.py"], 10)
