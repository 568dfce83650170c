"""`workspace-include`: untracked files that a workspace gets, and what it never gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.adapters.conftest import Local, make_local
from tests.adapters.workspaces.preparing import Preparing

from loop_kit.adapters.workspaces import include
from loop_kit.adapters.workspaces.include import is_secret_name
from loop_kit.errors import BadSetting
from loop_kit.ports import SetupFailed


@pytest.fixture
def preparing(local: Local, tmp_path: Path) -> Preparing:
    return Preparing(local, tmp_path)


def test_untracked_files_that_fit_a_pattern_are_copied_and_no_others(preparing: Preparing) -> None:
    local = preparing.local
    local.write("node_modules/left-pad/index.js", "module.exports = 1\n").chmod(0o755)
    local.write("generated/schema.py", "x = 1\n")
    local.write("notes.txt", "mine\n")
    preparing.include = ("node_modules/", "generated/*.py")

    path = preparing.prepared()

    assert (path / "node_modules/left-pad/index.js").read_text() == "module.exports = 1\n"
    assert os.access(path / "node_modules/left-pad/index.js", os.X_OK)
    assert (path / "generated/schema.py").exists()
    assert not (path / "notes.txt").exists()
    assert preparing.warnings == []


def test_files_that_git_ignores_are_copied_too(preparing: Preparing) -> None:
    preparing.local.commit({".gitignore": "dist/\n"})
    preparing.local.write("dist/app.js", "built\n")
    preparing.include = ("dist/",)

    assert (preparing.prepared() / "dist/app.js").read_text() == "built\n"


def test_a_changed_tracked_file_stays_as_it_was_committed(preparing: Preparing) -> None:
    preparing.local.write("a.py", "changed by the user\n")
    preparing.include = ("*",)

    assert (preparing.prepared() / "a.py").read_text() == "one\ntwo\nthree\n"


@pytest.mark.parametrize(
    "name",
    [
        *(".env", ".env.local", "server.pem", "id_rsa", "id_ed25519", ".npmrc", ".pypirc"),
        *(".netrc", "credentials.json", "credentials", "tls.key", "terraform.tfstate"),
    ],
)
def test_what_is_a_secret_by_its_name_is_copied_only_if_it_is_named(
    preparing: Preparing, name: str
) -> None:
    preparing.local.write(f"conf/{name}", "s3cret\n")
    preparing.include = ("conf/*",)

    assert is_secret_name(name)
    assert not (preparing.prepared() / "conf" / name).exists()
    assert preparing.warnings == [
        "workspace-include: What may hold secrets is copied only if a pattern ends with its very"
        f" name. Left out: conf/{name}."
    ]

    preparing.include = (f"conf/{name}",)
    assert (preparing.prepared() / "conf" / name).read_text() == "s3cret\n"


@pytest.mark.parametrize("name", ["credentials.js", "secrets.py", "env.js", "keys.ts", "pem.js"])
def test_sources_of_packages_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


def test_many_files_that_are_left_out_are_one_warning(preparing: Preparing) -> None:
    for number in range(9):
        preparing.local.write(f"node_modules/{number}/ca.pem", "x")
    preparing.include = ("node_modules/",)

    preparing.prepared()

    (warning,) = preparing.warnings
    assert warning.endswith("node_modules/4/ca.pem and 4 more.")


def test_a_virtual_environment_is_never_copied(preparing: Preparing) -> None:
    preparing.local.write(".venv/pyvenv.cfg", "home = /usr/bin\n")
    preparing.local.write(".venv/bin/tool", "#!/bin/sh\n")
    preparing.include = (".venv/", "tools/")
    preparing.local.write("tools/tool", "ok\n")

    path = preparing.prepared()

    assert not (path / ".venv").exists()
    assert (path / "tools/tool").exists()
    assert ".venv/ is a virtual environment" in preparing.warnings[0]
    assert "workspace-setup" in preparing.warnings[0]


def test_another_repository_inside_is_not_copied(preparing: Preparing) -> None:
    make_local(preparing.local.root / "vendor" / "lib").commit({"lib.py": "x\n"})
    preparing.include = ("vendor/",)

    path = preparing.prepared()

    assert not (path / "vendor").exists()
    assert "Left out: vendor/lib/." in preparing.warnings[0]


def test_a_link_is_copied_as_a_link_and_never_followed(
    preparing: Preparing, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("s3cret\n")
    local = preparing.local
    local.write("data/real.txt", "real\n")
    (local.root / "data" / "out").symlink_to(outside)
    (local.root / "data" / "near").symlink_to("real.txt")
    preparing.include = ("data/",)

    path = preparing.prepared()

    assert (path / "data" / "out").readlink() == outside
    assert (path / "data" / "near").readlink() == Path("real.txt")


def test_a_link_to_a_package_of_the_same_tree_points_into_the_workspace(
    preparing: Preparing,
) -> None:
    local = preparing.local
    local.write("node_modules/@demo/.keep", "")
    (local.root / "node_modules" / "@demo" / "calc").symlink_to(local.root / "packages" / "calc")
    preparing.include = ("node_modules/",)

    link = preparing.prepared() / "node_modules" / "@demo" / "calc"

    assert link.readlink() == Path("../../packages/calc")


def test_no_file_is_written_through_a_link_that_was_committed(
    preparing: Preparing, tmp_path: Path
) -> None:
    local = preparing.local
    before = local.head
    outside = tmp_path / "outside"
    outside.mkdir()
    (local.root / "cache").symlink_to(outside)
    local.commit({})
    linked = local.head
    local.git.run("reset", "--quiet", "--hard", before)
    local.write("cache/made.txt", "x\n")
    preparing.include = ("cache/",)

    preparing.prepared(linked)

    assert list(outside.iterdir()) == []


def test_a_pattern_that_fits_nothing_is_warned_of(preparing: Preparing) -> None:
    preparing.include = ("no_such_folder/",)

    preparing.prepared()

    assert preparing.warnings == [
        f"workspace-include: no_such_folder/ matches no untracked file in {preparing.local.root}."
    ]


def test_more_than_the_bound_is_refused_with_what_to_do(
    preparing: Preparing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(include, "MAX_FILES", 1)
    preparing.local.write("many/1", "")
    preparing.local.write("many/2", "")
    preparing.include = ("many/",)

    with pytest.raises(SetupFailed, match="names 2 files") as refused:
        preparing.prepared()
    assert "Name less in workspace-include" in refused.value.remedy


def test_a_pattern_that_is_none_is_a_bad_setting(preparing: Preparing) -> None:
    preparing.include = ("!",)

    with pytest.raises(BadSetting, match="workspace-include"):
        preparing.prepared()
