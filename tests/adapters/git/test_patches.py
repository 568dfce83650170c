"""A git process that stays writes the diffs that `git diff` prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.conftest import Local

from loop_kit.adapters.git.patches import Patches

OPTIONS = (
    *("--no-ext-diff", "--no-textconv", "--no-color", "--full-index", "--find-renames", "--raw"),
    *("--numstat", "--patch"),
)


@pytest.fixture
def patches(local: Local) -> Patches:
    return Patches(local.git, OPTIONS)


def printed(local: Local, base: str, head: str) -> bytes:
    return local.git.run("diff", *OPTIONS, "--no-abbrev", base, head, "--").out


def test_diffs_are_those_of_git_diff_whatever_is_in_them(
    local: Local, patches: Patches, tmp_path: Path
) -> None:
    first = local.head
    (local.root / "run.sh").rename(local.root / "moved to.sh")
    (local.root / "link").symlink_to("a.py")
    second = local.commit({"a.py": "one\nno end of line", "tief/ünter\n.txt": "\u2028\n"})
    (local.root / "binary").write_bytes(bytes(range(256)) * 100)
    (local.root / ".gitattributes").write_text("*.py diff=python\n")
    third = local.commit({"a.py": "end of diff 00\nend of diff \n" * 20_000})
    written = tmp_path / "patch"
    for base, head in ((first, second), (second, third), (third, first), (first, first)):
        assert patches.write(base, head, written)
        assert written.read_bytes() == printed(local, base, head)


def test_a_commit_that_is_not_here_has_no_diff_and_the_next_one_has(
    local: Local, patches: Patches, tmp_path: Path
) -> None:
    base, written = local.head, tmp_path / "patch"
    assert not patches.write(base, "1" * 40, written)
    head = local.commit({"b.py": "b\n"})
    blob = local.git.text("rev-parse", f"{head}:b.py")
    inside = local.root / ".git" / "objects" / blob[:2] / blob[2:]
    content = inside.read_bytes()
    inside.unlink()
    assert not patches.write(base, head, written)
    inside.write_bytes(content)
    assert patches.write(base, head, written)
    assert written.read_bytes() == printed(local, base, head)
