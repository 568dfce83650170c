"""Submodules and large files: as the checkout has them, or a sentence that says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local, make_local
from tests.adapters.workspaces.preparing import Preparing

ALLOW = ("-c", "protocol.file.allow=always")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n"


def add_submodule(local: Local, other: Local, path: str) -> None:
    who = IDENTITY.environment()
    local.git.run(*ALLOW, "submodule", "--quiet", "add", str(other.root), path, env=who)
    local.git.run("commit", "--quiet", "--message", f"Add {path}", env=who)


@pytest.fixture
def preparing(local: Local, tmp_path: Path) -> Preparing:
    library = make_local(tmp_path / "library")
    library.commit({"lib.py": "x = 1\n", "deep/y.py": "y\n"})
    nested = make_local(tmp_path / "nested")
    nested.commit({"n.py": "n\n"})
    add_submodule(library, nested, "inner")
    add_submodule(local, library, "sub")
    local.git.run(*ALLOW, "submodule", "--quiet", "update", "--init", "--recursive")
    return Preparing(local, tmp_path)


def test_a_workspace_has_the_files_of_submodules_that_are_checked_out(preparing: Preparing) -> None:
    path = preparing.prepared()

    assert (path / "sub/lib.py").read_text() == "x = 1\n"
    assert (path / "sub/deep/y.py").exists()
    assert (path / "sub/inner/n.py").read_text() == "n\n"
    assert preparing.local.git.at(path).text("status", "--porcelain") == ""
    assert preparing.warnings == []


def test_what_was_built_or_changed_in_a_submodule_is_not_copied(preparing: Preparing) -> None:
    preparing.local.write("sub/out.o", "built")
    preparing.local.write("sub/lib.py", "edited\n")

    path = preparing.prepared()

    assert not (path / "sub/out.o").exists()
    assert (path / "sub/lib.py").read_text() == "x = 1\n"


def test_a_submodule_that_is_not_checked_out_is_named_before_anybody_is_paid(
    preparing: Preparing,
) -> None:
    preparing.local.git.run("submodule", "--quiet", "deinit", "--force", "sub")
    preparation = preparing.preparation()

    preparation.check(preparing.local.head)
    preparation.check(preparing.local.head)

    (warning,) = preparing.warnings
    assert "sub (at " in warning
    assert "git submodule update --init --recursive" in warning


def test_another_commit_of_a_submodule_is_another_workspace(preparing: Preparing) -> None:
    local, preparation = preparing.local, preparing.preparation()
    before = local.head
    inside = Local(local.root / "sub", local.git.at(local.root / "sub"))
    inside.commit({"lib.py": "x = 2\n"})
    after = local.commit({})

    assert preparation.key(before) != preparation.key(after)
    assert (preparing.prepared(after) / "sub/lib.py").read_text() == "x = 2\n"
    assert (preparing.prepared(before) / "sub/lib.py").read_text() == "x = 1\n"


def test_files_whose_content_git_lfs_holds_are_named(local: Local, tmp_path: Path) -> None:
    local.commit({".gitattributes": "*.bin filter=lfs\n", "model.bin": POINTER, "b.py": "x"})
    preparing = Preparing(local, tmp_path)

    preparing.preparation().check(local.head)

    (warning,) = preparing.warnings
    assert "Git LFS holds the content of model.bin." in warning
