"""A project with dependencies: what agents and verify commands find in their workspaces."""

from __future__ import annotations

import re
import signal
import sys
from pathlib import Path

import pytest
from tests.cli.harness import (
    Repo,
    Result,
    Steps,
    agents_of,
    assert_refused,
    ended_by,
    eventually,
    is_alive,
)

BACKEND = '''\
"""A build backend without any dependency: an editable install is a path in a `.pth` file."""

import zipfile


def get_requires_for_build_editable(config_settings=None):
    return []


def build_editable(folder, config_settings=None, metadata_directory=None):
    import pathlib

    info, name = "demo-1.0.dist-info", "demo-1.0-py3-none-any.whl"
    files = {
        "demo.pth": str(pathlib.Path("src").resolve()),
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\n"
        "Tag: py3-none-any\\n",
    }
    record = "".join(f"{path},,\\n" for path in files)
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(path, text)
    return name
'''
PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "demo"
version = "1.0"
"""
SECRET = "npm-s3cret-token"


def commit(repo: Repo, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = repo.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    repo.git("add", *files)
    repo.git("commit", "--quiet", "-m", "Files")


def work(files: dict[str, str]) -> Steps:
    return [{"write": files}, {"sh": f"git add {' '.join(files)}"}, {"commit": "W"}, {"report": {}}]


def setup_config(repo: Repo, text: str) -> None:
    (repo.folder / "config.yaml").write_text(text)


@pytest.fixture
def python_project(repo: Repo) -> Repo:
    """A Python project, installed as editable into an environment that the user has activated."""
    commit(
        repo,
        {"pyproject.toml": PROJECT, "backend.py": BACKEND, "src/demo/__init__.py": "VALUE = 1\n"},
    )
    venv = repo.root.parent / "venv"
    repo.execute([sys.executable, "-m", "venv", "--without-pip", venv])
    site = next((venv / "lib").glob("python3*/site-packages"))
    (site / "demo.pth").write_text(f"{repo.root / 'src'}\n")
    repo.extra = {"VIRTUAL_ENV": str(venv), "PATH": f"{venv / 'bin'}:{repo.environ['PATH']}"}
    repo.card(in_scope=[], verify=["python -c 'import demo; assert demo.VALUE == 1'"])
    return repo


def test_an_environment_that_would_test_the_users_tree_is_refused_unpaid(
    python_project: Repo,
) -> None:
    result = python_project.run()

    assert result.code == 3, result.text
    assert python_project.ended == ("done", "setup_failed")
    assert "would test that code" in result.out
    assert python_project.calls == []


def test_the_remedy_works_and_verify_fails_for_what_the_worker_broke(python_project: Repo) -> None:
    repo = python_project
    refused = repo.run()
    found = re.search(r"`workspace-setup: (.+?)`", " ".join(refused.out.split()))
    assert found is not None, refused.out
    setup_config(repo, f"workspace_setup: {found[1]}\nmax_rounds: 1\n")
    repo.plan({"worker": work({"src/demo/__init__.py": "VALUE = 2\n"})})

    result = repo.run("--resume")

    assert repo.names == ["worker/1/1", "reviewer/1/1"], result.text
    assert repo.state["baseline"]["results"][0]["exit_code"] == 0, result.text
    assert repo.state["verification"]["results"][0]["exit_code"] == 1
    assert repo.ended == ("done", "max_rounds_exhausted")


def test_who_works_in_a_workspace_has_its_own_environment_active(python_project: Repo) -> None:
    repo = python_project
    setup_config(repo, "workspace_setup: python3 -m venv --without-pip .venv\n")
    repo.card(in_scope=[], verify=['test "$VIRTUAL_ENV" = "$PWD/.venv"'])
    repo.plan({"worker": work({"src/demo/__init__.py": "VALUE = 2\n"})})

    result = repo.run()

    assert repo.ended == ("done", "approved"), result.text
    for call in repo.calls:
        assert call.env["VIRTUAL_ENV"] == f"{call.cwd}/.venv"
        assert call.env["PATH"].startswith(f"{call.cwd}/.venv/bin:")


def test_a_node_project_runs_its_tests_with_its_packages(repo: Repo) -> None:
    commit(
        repo,
        {
            "left/package.json": '{"name": "left", "version": "1.0.0", "main": "index.js"}\n',
            "left/index.js": "module.exports = 1\n",
            "package.json": '{"name": "app", "dependencies": {"left": "file:./left"}}\n',
        },
    )
    repo.execute(["npm", "install", "--package-lock-only", "--offline", "--no-audit"])
    commit(repo, {"package-lock.json": (repo.root / "package-lock.json").read_text()})
    repo.card(verify=["node -e 'require(\"left\")'"])
    setup_config(repo, "workspace_setup: npm ci --offline --no-audit\n")

    result = repo.run()

    assert repo.ended == ("done", "approved"), result.text
    assert repo.git("show", "--name-only", "--format=", "loop/T-001/work").split() == ["calc.py"]


def test_untracked_files_that_are_included_are_there_and_never_committed(repo: Repo) -> None:
    (repo.root / ".env.test").write_text("DB=test\n")
    (repo.root / "generated").mkdir()
    (repo.root / "generated" / "schema.txt").write_text("x\n")
    setup_config(repo, "workspace_include: [.env.test, generated/]\n")
    repo.card(verify=["grep -q DB=test .env.test", "test -f generated/schema.txt"])
    everything: Steps = [
        {"sh": "test -f .env.test"},
        {"write": {"calc.py": "VALUE = 5\n"}},
        {"sh": "git add -A && git commit -q -m all"},
        {"report": {}},
    ]
    repo.plan({"worker": everything})

    result = repo.run()

    assert repo.ended == ("done", "approved"), result.text
    changed = repo.git("show", "--name-only", "--format=", "loop/T-001/work")
    assert changed.split() == ["calc.py"]


def test_what_is_included_is_not_committed_for_a_worker_that_commits_nothing(repo: Repo) -> None:
    (repo.root / ".env.test").write_text("DB=test\n")
    setup_config(repo, "workspace_include: .env.test\nworkspace_setup: mkdir made; touch made/x\n")
    repo.plan({"worker": [{"write": {"calc.py": "VALUE = 5\n"}}, {"report": {}}]})

    result = repo.run()

    assert repo.ended == ("done", "approved"), result.text
    changed = repo.git("show", "--name-only", "--format=", "loop/T-001/work")
    assert changed.split() == ["calc.py"]


def test_setup_that_fails_stops_unpaid_with_its_output_and_is_continued(repo: Repo) -> None:
    repo.card(verify=["true"])

    failed = repo.run("--workspace-setup", "echo no lock file; exit 3")

    assert failed.code == 3, failed.text
    assert repo.ended == ("done", "setup_failed")
    assert repo.calls == []
    assert "no lock file" in failed.out
    assert "exit code 3" in repo.state["error"]
    assert repo.state["failed_setup"]["tail"] == "no lock file\n"
    assert "no lock file" in (repo.folder / "logs" / "workspace_setup.log").read_text()
    assert "--resume" in failed.out

    again = repo.run("--workspace-setup", "echo fine", "--resume")

    assert repo.ended == ("done", "approved"), again.text
    assert "failed_setup" not in repo.state


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_ended_while_a_prepared_reviewer_read_is_continued(
    repo: Repo, number: int
) -> None:
    setup = ("--workspace-setup", "mkdir made && echo x > made/x")
    commit(repo, {".gitignore": "made/\n"})
    repo.card(verify=["test -f made/x && ! test -e made/left && touch made/left"])
    repo.plan({"reviewer/1/1": [{"write": {"made/x": "spoilt", "made/y": ""}}, {"gate": "stuck"}]})
    process = repo.start(*setup)
    agent = repo.reached("stuck")
    ended_by(process, number)
    eventually(lambda: not is_alive(agent), "the end of the agent")

    repo.plan({})
    again = repo.run(*setup, "--resume")

    assert repo.ended == ("done", "approved"), again.text
    assert repo.names == ["worker/1/1", "reviewer/1/1", "reviewer/1/2"]
    assert repo.git("status", "--porcelain", "--untracked-files=no") == ""


def test_no_agent_and_no_verify_command_sees_the_secrets_of_setup(repo: Repo) -> None:
    repo.extra = {
        "NPM_TOKEN": SECRET,
        "LOOP_AGENT_ENV": "FAKE_*,NPM_*",
        "LOOP_SETUP_ENV": "NPM_TOKEN",
    }
    repo.card(verify=['test -z "$NPM_TOKEN"'])

    result = repo.run("--workspace-setup", f'test "$NPM_TOKEN" = {SECRET}; echo "$NPM_TOKEN"')

    assert repo.ended == ("done", "approved"), result.text
    assert all("NPM_TOKEN" not in call.env for call in repo.calls)
    logged = (repo.folder / "logs" / "workspace_setup.log").read_text()
    assert "\n***\n" in logged


def test_a_worker_that_breaks_setup_is_sent_back_with_its_output(repo: Repo) -> None:
    commit(repo, {"package.json": "good\n"})
    repo.card(in_scope=[], verify=["true"])
    setup_config(repo, "workspace_setup: 'grep good package.json || (echo bad manifest; exit 1)'\n")
    repo.plan(
        {
            "worker/1": work({"package.json": "broken\n"}),
            "worker/2": work({"package.json": "good again\n"}),
        }
    )

    result = repo.run()

    assert repo.names == ["worker/1/1", "reviewer/1/1", "worker/2/1", "reviewer/2/1"], result.text
    assert repo.ended == ("done", "approved"), result.text
    first = repo.state["history"][0]
    assert (first["decision"], first["verified"]) == ("changes_required", False)
    assert "bad manifest" in agents_of(repo, "worker")[1].mailbox["fix_list.json"]


def test_verify_has_the_files_of_a_submodule_that_is_checked_out(repo: Repo) -> None:
    library = repo.root.parent / "library"
    repo.git("init", "--quiet", str(library))
    (library / "lib.txt").write_text("x\n")
    repo.git("add", "lib.txt", cwd=library)
    repo.git("commit", "--quiet", "-m", "lib", cwd=library)
    allow = ("-c", "protocol.file.allow=always")
    repo.git(*allow, "submodule", "--quiet", "add", str(library), "sub")
    repo.git("commit", "--quiet", "-m", "sub")
    (repo.root / "sub" / "out.o").write_text("built")
    repo.card(verify=["test -f sub/lib.txt"])

    result = repo.run()

    assert repo.ended == ("done", "approved"), result.text
    assert (repo.root / "sub" / "out.o").read_text() == "built"


def test_a_submodule_that_is_missing_is_named_when_the_run_begins(repo: Repo) -> None:
    test_verify_has_the_files_of_a_submodule_that_is_checked_out(repo)
    repo.git("submodule", "--quiet", "deinit", "--force", "sub")

    result = repo.run("--max-rounds", "1")

    assert "Submodules whose recorded commit is not checked out here: sub" in _flat(result)


def test_a_pattern_that_is_none_is_refused(repo: Repo) -> None:
    assert_refused(repo.run("--workspace-include", "!"), 3, "workspace-include")


def _flat(result: Result) -> str:
    return " ".join(result.text.split())


def test_an_installed_project_in_a_folder_of_the_users_tree_is_refused_too(
    python_project: Repo,
) -> None:
    inside = python_project.root / ".venv"
    Path(python_project.extra["VIRTUAL_ENV"]).rename(inside)
    python_project.extra = {"VIRTUAL_ENV": str(inside)}

    assert python_project.run().code == 3
    assert python_project.ended == ("done", "setup_failed")
