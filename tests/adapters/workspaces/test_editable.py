"""Editable installs: an environment that imports the user's tree is found, whatever made it so."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.adapters.conftest import Local
from tests.adapters.workspaces.preparing import Preparing

from loop_kit.adapters.workspaces.editable import editable_install, editable_install_of
from loop_kit.adapters.workspaces.preparation import suggested_setup
from loop_kit.ports import SetupFailed

Install = Callable[[Path, Path], object]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def environment(folder: Path) -> Path:
    """An environment as `python -m venv` makes it, as far as its files are read; its packages."""
    write(folder / "pyvenv.cfg", "home = /usr/bin\n")
    write(folder / "bin" / "python", "\x7fELF").chmod(0o755)
    site = folder / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    return site


def by_direct_url(site: Path, project: Path, *, editable: bool = True) -> None:
    url = {"url": project.as_uri(), "dir_info": {"editable": editable}}
    write(site / "demo-1.0.dist-info" / "direct_url.json", json.dumps(url))


def by_pth(site: Path, project: Path) -> None:
    write(site / "__editable__.demo-1.0.pth", f"{project / 'src'}\n")


def by_import_line(site: Path, project: Path) -> None:
    write(site / "_demo.pth", f"import __editable___demo_finder\n{project}\n")


def by_finder(site: Path, project: Path) -> None:
    mapping = f"MAPPING: dict[str, str] = {{'demo': {str(project / 'src' / 'demo')!r}}}\n"
    write(site / "__editable___demo_1_0_finder.py", f"import sys\n{mapping}")


def by_egg_link(site: Path, project: Path) -> None:
    write(site / "demo.egg-link", f"{project}\n.")


def by_relative_pth(site: Path, project: Path) -> None:
    write(site / "demo.pth", f"# the project\n{os.path.relpath(project / 'src', site)}\n")


def by_code_in_pth(site: Path, project: Path) -> None:
    write(site / "demo.pth", f'import sys; sys.path.insert(0, "{project / "src"}")\n')


def by_link(site: Path, project: Path) -> None:
    (site / "demo").symlink_to(project / "src" / "demo")


WAYS: tuple[Install, ...] = (by_direct_url, by_pth, by_import_line, by_finder, by_egg_link)
WAYS += (by_relative_pth, by_code_in_pth, by_link)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project with spaces"
    write(folder / "src" / "demo" / "__init__.py", "")
    return folder


@pytest.mark.parametrize("install", WAYS)
@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX", "pythonLocation", "PATH"])
def test_an_editable_install_is_found_in_every_environment_that_programs_get(
    tmp_path: Path, project: Path, install: Install, variable: str
) -> None:
    folder = tmp_path / "venv"
    install(environment(folder), project)
    value = folder / "bin" if variable == "PATH" else folder

    found = editable_install({variable: str(value)}, [project], tmp_path)

    assert found is not None
    assert found.environment == folder
    assert found.folder.is_relative_to(project)


@pytest.mark.parametrize("install", WAYS)
def test_what_is_installed_from_another_folder_is_no_business_of_the_loop(
    tmp_path: Path, project: Path, install: Install
) -> None:
    folder = tmp_path / "venv"
    install(environment(folder), tmp_path / "project with spaces and more")

    assert editable_install({"VIRTUAL_ENV": str(folder)}, [project], tmp_path) is None


def test_a_copy_of_the_project_is_no_editable_install(tmp_path: Path, project: Path) -> None:
    folder = tmp_path / "venv"
    by_direct_url(environment(folder), project, editable=False)

    assert editable_install({"VIRTUAL_ENV": str(folder)}, [project], tmp_path) is None


def test_what_an_environment_inside_the_project_has_of_its_own_is_not_the_project(
    tmp_path: Path, project: Path
) -> None:
    folder = project / ".venv"
    by_pth(environment(folder), folder / "src" / "vendored")

    assert editable_install({"VIRTUAL_ENV": str(folder)}, [project], tmp_path) is None


def test_the_packages_of_the_user_alone_count(tmp_path: Path, project: Path) -> None:
    by_pth(tmp_path / ".local/lib/python3.11/site-packages", project)

    assert editable_install({"HOME": str(tmp_path)}, [project], tmp_path) is not None


def test_a_link_to_an_environment_and_a_link_to_the_project_are_followed(
    tmp_path: Path, project: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(project)
    by_pth(environment(tmp_path / "venv"), link)

    assert editable_install({"VIRTUAL_ENV": str(tmp_path / "venv")}, [project], tmp_path)


def test_a_shim_is_asked_which_interpreter_it_stands_for(tmp_path: Path, project: Path) -> None:
    by_pth(environment(tmp_path / "venv"), project)
    shim = write(tmp_path / "shims" / "python", f'#!/bin/sh\necho "{tmp_path / "venv"}"\n')
    shim.chmod(0o755)
    environ = {"PATH": str(shim.parent)}

    assert editable_install(environ, [project], tmp_path) is not None
    assert editable_install(environ, [project], tmp_path, asks=False) is None


def test_damaged_files_of_an_environment_are_passed_over(tmp_path: Path, project: Path) -> None:
    site = environment(tmp_path / "venv")
    write(site / "a-1.dist-info" / "direct_url.json", "[")
    write(site / "b-1.dist-info" / "direct_url.json", "[]")
    (site / "c.pth").write_bytes(b"\xff\xfe\x00/\n")

    assert editable_install({"VIRTUAL_ENV": str(tmp_path / "venv")}, [project], tmp_path) is None


def put_script(environment: Path, name: str = "pytest") -> Path:
    """A program of an environment, as pip writes it."""
    script = write(environment / "bin" / name, f"#!{environment / 'bin' / 'python'}\n")
    script.chmod(0o755)
    return script


@pytest.mark.parametrize(
    "command",
    [
        "{venv}/bin/python -m pytest -q",
        ". {venv}/bin/activate && python -m pytest",
        'cd src; PATH="{venv}/bin/pytest" x',
        "~/venv/bin/pytest",
        "$HOME/venv/bin/python3.11 tests.py",
        "make lint && pytest -q",
        "(check-all)",
    ],
)
def test_an_environment_that_a_verify_command_names_is_looked_at(
    tmp_path: Path, project: Path, command: str
) -> None:
    folder, programs = tmp_path / "venv", tmp_path / "programs"
    by_pth(environment(folder), project)
    programs.mkdir()
    for name in ("pytest", "check-all"):
        (programs / name).symlink_to(put_script(folder, name))
    environ = {"PATH": str(programs), "HOME": str(tmp_path)}

    found = editable_install_of([command.format(venv=folder)], environ, [project])

    assert found is not None
    assert found.environment == folder
    assert editable_install_of(["make test", "\0", "/"], environ, [project]) is None


def test_a_verify_command_in_an_environment_of_the_users_tree_is_refused_before_it_runs(
    local: Local, tmp_path: Path
) -> None:
    by_pth(environment(tmp_path / "venv"), local.root)
    preparing = Preparing(local, tmp_path, environ={"PATH": os.environ["PATH"]})
    preparation = preparing.preparation()
    preparation.check(local.head)

    with pytest.raises(SetupFailed, match="would test that code") as refused:
        preparation.check_commands([f"{tmp_path / 'venv'}/bin/python t.py"], preparing.environ)

    assert "write its programs without a path in `verify`" in refused.value.remedy


def test_an_environment_that_would_test_the_users_tree_is_refused_with_what_to_do(
    local: Local, tmp_path: Path
) -> None:
    local.commit({"pyproject.toml": "[project]\n", "uv.lock": ""})
    by_pth(environment(tmp_path / "venv"), local.root)
    preparing = Preparing(local, tmp_path, environ={"VIRTUAL_ENV": str(tmp_path / "venv")})

    with pytest.raises(SetupFailed, match="would test that code") as refused:
        preparing.preparation().check(local.head)

    assert refused.value.remedy.endswith("`workspace-setup: uv sync`.")


def test_it_is_not_refused_once_each_workspace_has_an_environment_of_its_own(
    local: Local, tmp_path: Path
) -> None:
    local.commit({"pyproject.toml": "[project]\n"})
    by_pth(environment(tmp_path / "venv"), local.root)
    preparing = Preparing(local, tmp_path, environ={"VIRTUAL_ENV": str(tmp_path / "venv")})
    preparing.setup = ("mkdir -p .venv/bin; touch .venv/pyvenv.cfg",)

    preparing.preparation().check(local.head)
    path = preparing.prepared()

    seen = preparing.preparation().environment(path, local.head, trusts_work=True)
    assert seen["VIRTUAL_ENV"] == str(path / ".venv")
    assert preparing.warnings == []


def test_setup_that_makes_no_environment_changes_nothing_about_it(
    local: Local, tmp_path: Path
) -> None:
    by_pth(environment(tmp_path / "venv"), local.root)
    preparing = Preparing(local, tmp_path, environ={"VIRTUAL_ENV": str(tmp_path / "venv")})
    preparing.setup = ("true",)

    with pytest.raises(SetupFailed, match="would test that code"):
        preparing.prepared()


@pytest.mark.parametrize(
    ("files", "command"),
    [
        (("uv.lock", "pyproject.toml"), "uv sync"),
        (("poetry.lock", "pyproject.toml"), "POETRY_VIRTUALENVS_IN_PROJECT=true poetry install"),
        (("pdm.lock",), "pdm sync"),
        (("Pipfile.lock",), "PIPENV_VENV_IN_PROJECT=1 pipenv sync --dev"),
        (
            ("requirements.txt",),
            "python3 -m venv .venv && .venv/bin/python -m pip install -r requirements.txt",
        ),
        (("setup.py",), "python3 -m venv .venv && .venv/bin/python -m pip install -e ."),
    ],
)
def test_the_setup_that_is_suggested_is_that_of_the_project(
    tmp_path: Path, files: tuple[str, ...], command: str
) -> None:
    for name in files:
        write(tmp_path / name, "")

    assert suggested_setup(tmp_path, tmp_path / "src") == command


def test_a_project_in_a_folder_of_the_repository_is_installed_from_there(tmp_path: Path) -> None:
    write(tmp_path / "packages" / "a" / "pyproject.toml", "")

    command = suggested_setup(tmp_path, tmp_path / "packages" / "a" / "src")

    assert command.endswith("pip install -e packages/a")
