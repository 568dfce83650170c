"""What a project needs to have installed, by the names of the files at its top."""

import pytest

from loop_kit.core.project import setup_commands

VENV = "python3 -m venv .venv && .venv/bin/python -m pip install"


@pytest.mark.parametrize(
    ("names", "commands"),
    [
        ({"main.c", "Makefile"}, ()),
        ({"package.json"}, ("npm install",)),
        ({"package.json", "package-lock.json"}, ("npm ci",)),
        ({"package.json", "yarn.lock"}, ("yarn install --frozen-lockfile",)),
        ({"package.json", "yarn.lock", ".yarnrc.yml"}, ("yarn install --immutable",)),
        ({"package.json", "pnpm-lock.yaml"}, ("pnpm install --frozen-lockfile",)),
        ({"package.json", "bun.lockb"}, ("bun install --frozen-lockfile",)),
        ({"pyproject.toml", "uv.lock"}, ("pipx run uv sync",)),
        (
            {"pyproject.toml", "poetry.lock"},
            ("POETRY_VIRTUALENVS_IN_PROJECT=true pipx run poetry install",),
        ),
        ({"requirements.txt"}, (f"{VENV} -r requirements.txt",)),
        ({"requirements.txt", "setup.py"}, (f"{VENV} -r requirements.txt -e .",)),
        ({"package.json", "pyproject.toml"}, ("npm install", f"{VENV} -e .")),
    ],
)
def test_the_commands_are_those_of_the_lock_file_that_the_project_has(
    names: set[str], commands: tuple[str, ...]
) -> None:
    assert setup_commands(names, "pipx run ") == commands
