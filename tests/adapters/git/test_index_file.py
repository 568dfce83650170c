"""An index with other entries is the one that git would have written."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, environment

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.history import History, NotPlain
from loop_kit.adapters.git.index_file import Entry, IndexFile
from loop_kit.adapters.git.trees import Trees
from loop_kit.adapters.workspaces.agent_index import holds_tree

MOST = 12
PARTS = ["a", "a.b", "a-b", "b", "TREE", "zz", "n" * 90, "\u00e4", "\u0001" * 40]


class Changed:
    """A repository in which each commit is another random tree."""

    def __init__(self, folder: Path, kind: str = "sha1") -> None:
        self.root = folder
        self.git = Git(folder, {**environment(folder), **IDENTITY.environment()})
        folder.mkdir()
        self.git.run("init", "--quiet", "--initial-branch=main", f"--object-format={kind}")
        self.width = 20 if kind == "sha1" else 32

    def commit(self) -> str:
        self.git.run("add", "--all")
        self.git.run("commit", "--quiet", "--allow-empty", "--message", "Change")
        return self.git.text("rev-parse", "HEAD")

    def read(self, sha: str) -> bytes:
        """An index as git writes it for the files of a commit, at which they are."""
        self.git.run("read-tree", sha)
        self.git.run("update-index", "-q", "--refresh")
        return (self.root / ".git" / "index").read_bytes()

    def change(self, index: bytes, old: str, new: str) -> bytes:
        changes: dict[str, Entry | None] = {}
        for change in History(self.git.objects).between(old, new).changes:
            path = self.root / change.path
            is_gone = change.new_mode == "000000"
            changes[change.path] = (
                None if is_gone else Entry(change.new_mode, change.oid, path.lstat())
            )
        return self.with_entries(index, changes, new)

    def with_entries(self, index: bytes, changes: Mapping[str, Entry | None], new: str) -> bytes:
        trees = Trees(self.git.objects)
        return IndexFile(index, self.width).change(changes, trees, trees.root(new))

    def listed(self, index: bytes) -> bytes:
        """All that git knows from an index, which it finds in order."""
        (self.root / ".git" / "index").write_bytes(index)
        assert self.git.text("status", "--porcelain") == ""
        self.git.run("fsck", "--no-dangling")
        return self.git.run("ls-files", "--stage", "--debug", "-z").out

    def shuffle(self, source: random.Random) -> None:
        """Write, change and remove some files; some take the place of folders."""
        for _ in range(source.randint(1, MOST)):
            path = self.root.joinpath(*source.choices(PARTS, k=source.randint(1, 3)))
            for outer in reversed(path.relative_to(self.root).parents):
                if (self.root / outer).is_file() or (self.root / outer).is_symlink():
                    (self.root / outer).unlink()
            if path.is_dir() and not path.is_symlink():
                subprocess.run(["rm", "-r", path], check=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            act = source.choice(["write", "write", "run", "link", "remove"])
            path.unlink(missing_ok=True)
            if act == "link":
                path.symlink_to(source.choice(PARTS[:4]))
            elif act != "remove":
                path.write_text(str(source.random()))
                path.chmod(0o755 if act == "run" else 0o644)


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
@pytest.mark.parametrize("seed", range(6))
def test_it_is_as_git_writes_it_whatever_differs(tmp_path: Path, seed: int, kind: str) -> None:
    source, changed = random.Random(seed), Changed(tmp_path / "repository", kind)
    changed.shuffle(source)
    old = changed.commit()
    index = changed.read(old)
    for _ in range(5):
        changed.shuffle(source)
        new = changed.commit()
        index = changed.change(index, old, new)
        tree = changed.git.text("rev-parse", f"{new}^{{tree}}")
        assert kind == "sha256" or holds_tree(index, tree)
        found = changed.listed(index)
        assert found == changed.listed(changed.read(new))
        old = new


def with_stages(changed: Changed) -> bytes:
    blob = changed.git.text("rev-parse", "HEAD:a")
    lines = "".join(f"100644 {blob} {stage}\ta\0" for stage in (1, 2, 3)).encode()
    changed.git.run("update-index", "-z", "--index-info", stdin=b"0 %040d\ta\0" % 0 + lines)
    return (changed.root / ".git" / "index").read_bytes()


def of_version_four(changed: Changed) -> bytes:
    changed.git.run("update-index", "--index-version", "4")
    return (changed.root / ".git" / "index").read_bytes()


def with_another_part(changed: Changed) -> bytes:
    changed.git.run("update-index", "--untracked-cache")
    return (changed.root / ".git" / "index").read_bytes()


def found_twice(changed: Changed) -> bytes:
    index = changed.read("HEAD")
    at = index.index(b"\0\1a\0") - 60
    return index[:at] + index[at : at + 72] * 2 + index[at + 72 :]


def where_trees_begin_twice(changed: Changed) -> bytes:
    index = changed.read("HEAD")
    at = index.rindex(b"TREE") - 8
    fake = b"TREE" + (len(index) - changed.width - at - 4).to_bytes(4, "big")
    return index[: at - 4] + fake + index[at + 4 :]


@pytest.mark.parametrize(
    "write",
    [
        *(with_stages, of_version_four, with_another_part, found_twice, where_trees_begin_twice),
        *(lambda _: b"", lambda _: b"DIRC", lambda changed: changed.read("HEAD")[:-30]),
    ],
)
def test_what_is_not_plain_is_left_to_git(
    tmp_path: Path, write: Callable[[Changed], bytes]
) -> None:
    changed = Changed(tmp_path / "repository")
    (changed.root / "a").write_text("a\n")
    (changed.root / "b").write_text("b\n")
    old = changed.commit()
    changed.read(old)
    index = write(changed)
    (changed.root / "a").write_text("other\n")
    new = changed.commit()
    with pytest.raises(NotPlain):
        changed.change(index, old, new)


def test_an_index_of_another_tree_is_not_called_one_of_this(tmp_path: Path) -> None:
    changed = Changed(tmp_path / "repository")
    (changed.root / "a").write_text("a\n")
    index = changed.read(changed.commit())
    (changed.root / "b").write_text("b\n")
    new = changed.commit()
    with pytest.raises(NotPlain):
        changed.with_entries(index, {}, new)
