"""The commands that install what a project needs, by the names of the files at its top."""

from collections.abc import Collection

from loop_kit.core.command_words import quoted

_NODE = {
    "pnpm-lock.yaml": "pnpm install --frozen-lockfile",
    "bun.lock": "bun install --frozen-lockfile",
    "bun.lockb": "bun install --frozen-lockfile",
    "package-lock.json": "npm ci",
    "npm-shrinkwrap.json": "npm ci",
}
_PYTHON = {
    "uv.lock": ("", "uv sync"),
    "poetry.lock": ("POETRY_VIRTUALENVS_IN_PROJECT=true ", "poetry install"),
    "pdm.lock": ("", "pdm sync"),
    "Pipfile.lock": ("PIPENV_VENV_IN_PROJECT=1 ", "pipenv sync --dev"),
}
PYTHON_PROJECTS = frozenset({"pyproject.toml", "setup.py", "setup.cfg"})


def setup_commands(names: Collection[str], runner: str = "") -> tuple[str, ...]:
    """The commands for everything that the project is; none where nothing is known.

    `runner` starts a program that may not be installed, such as "pipx run ".
    """
    node = (node_setup(names),) if "package.json" in names else ()
    is_python = {*_PYTHON, *PYTHON_PROJECTS, "requirements.txt"} & {*names}
    return (*node, python_setup(names, runner)) if is_python else node


def node_setup(names: Collection[str]) -> str:
    """What installs the packages of a Node project, as its lock file says where it has one."""
    if "yarn.lock" in names:
        return f"yarn install --{'immutable' if '.yarnrc.yml' in names else 'frozen-lockfile'}"
    return next((command for lock, command in _NODE.items() if lock in names), "npm install")


def python_setup(
    names: Collection[str], runner: str = "", project: str = ".", *, windows: bool = False
) -> str:
    """What installs a Python project and its packages into an environment of its own.

    `project` is the folder of the project, where it is not the one with these `names`.
    """
    for lock, (variables, command) in _PYTHON.items():
        if lock in names:
            assigned = f"set {variables.strip()}&& " if windows and variables else variables
            return f"{assigned}{runner}{command}"
    needed = " -r requirements.txt" if "requirements.txt" in names else ""
    has_project = project != "." or PYTHON_PROJECTS & {*names}
    installed = f"{needed} -e {quoted(project, windows=windows)}" if has_project else needed
    python, programs = ("python", ".venv\\Scripts\\") if windows else ("python3", ".venv/bin/")
    return f"{python} -m venv .venv && {programs}python -m pip install{installed}"
