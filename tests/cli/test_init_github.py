"""`loop init --github`: what is written, what is left alone, and what a person has to do next."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.cli.harness import LOOP, assert_refused
from tests.support.git_server import GitServer
from tests.support.github_server import GitHubServer
from tests.test_architecture import heavy, imported_by

from loop_kit.usecases.github_files import AgentChoice, Layout, files

if TYPE_CHECKING:
    from tests.cli.harness import Repo, Result

NAMES = sorted(files(Layout.ONE_JOB, AgentChoice.CODEX))


def _written(repo: Repo) -> dict[str, str]:
    found = sorted(path for path in (repo.root / ".github").rglob("*") if path.is_file())
    return {path.relative_to(repo.root).as_posix(): path.read_text("utf-8") for path in found}


def _steps(result: Result) -> str:
    assert result.code == 0, result.text
    return result.out.partition("Next, once")[2]


def test_workflows_and_form_are_written_and_the_next_steps_printed(repo: Repo) -> None:
    repo.git("remote", "add", "origin", "https://github.com/octo/demo")

    steps = _steps(repo.loop("init", "--github"))

    assert _written(repo) == files(Layout.ONE_JOB, AgentChoice.CODEX)
    assert (repo.folder / "examples" / "task_card.json").is_file()
    for step in (
        "git add .github && git commit",
        "git push",
        "gh label create loop --color",
        "gh secret set OPENAI_API_KEY",
        '"Allow GitHub Actions to create and approve pull requests"',
        "set the label loop",
    ):
        assert step in steps


@pytest.mark.parametrize("agent", AgentChoice)
@pytest.mark.parametrize("layout", Layout)
def test_layout_and_backend_choose_the_workflow_and_the_secret(
    repo: Repo, layout: Layout, agent: AgentChoice
) -> None:
    steps = _steps(repo.loop("init", "--github", "--layout", layout, "--backend", agent))

    assert _written(repo) == files(layout, agent)
    secret = "ANTHROPIC_API_KEY" if agent is AgentChoice.CLAUDE else "OPENAI_API_KEY"
    assert f"gh secret set {secret}" in steps


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize(
    ("names", "commands"),
    [
        (("package.json", "package-lock.json"), "npm ci\n"),
        (("pyproject.toml", "uv.lock"), "pipx run uv sync\n"),
        (("package.json", "pyproject.toml", "uv.lock"), "npm install\npipx run uv sync\n"),
    ],
)
def test_a_project_that_needs_its_packages_gets_the_commands_that_install_them(
    repo: Repo, layout: Layout, names: tuple[str, ...], commands: str
) -> None:
    for name in names:
        (repo.root / name).touch()

    repo.loop("init", "--github", "--layout", layout)

    written = _written(repo)
    assert written == files(layout, AgentChoice.CODEX, commands.splitlines())
    jobs = yaml.safe_load(written[".github/workflows/loop.yml"])["jobs"].values()
    inputs = [step.get("with", {}) for job in jobs for step in job["steps"]]
    given = [each["workspace-setup"] for each in inputs if "worker-backend" in each]
    assert given == [commands]


def test_what_is_written_can_be_committed_as_the_next_steps_say(repo: Repo) -> None:
    repo.loop("init", "--github")

    repo.git("add", ".github")
    assert repo.git("diff", "--cached", "--name-only").splitlines() == NAMES


def test_from_a_subfolder_the_files_go_to_the_root(repo: Repo) -> None:
    folder = repo.root / "src" / "deep"
    folder.mkdir(parents=True)

    assert repo.loop("init", "--github", cwd=folder).code == 0
    assert sorted(_written(repo)) == NAMES
    assert list(folder.iterdir()) == []


def test_twice_writes_nothing_the_second_time(repo: Repo) -> None:
    repo.loop("init", "--github")
    before = _written(repo)

    again = repo.loop("init", "--github")

    assert "Created" not in again.out
    assert "Left" not in again.out
    assert _written(repo) == before
    assert "gh secret set" in _steps(again)


def test_a_changed_file_is_left_as_it_is_with_a_way_to_compare(repo: Repo) -> None:
    repo.loop("init", "--github", "--backend", "claude")
    path = repo.root / ".github" / "workflows" / "loop.yml"
    mine = path.read_bytes()

    told = repo.loop("init", "--github", "--layout", "three-jobs")

    assert told.code == 0
    assert f"Left {path} as it is" in told.out
    assert "loop init --github --diff" in told.out
    assert path.read_bytes() == mine


def test_what_an_installed_workflow_lacks_is_a_patch_that_git_applies(repo: Repo) -> None:
    repo.loop("init", "--github", "--layout", "three-jobs", "--backend", "claude")
    path = repo.root / ".github" / "workflows" / "loop.yml"
    (path.parent / "loop-sweep.yml").unlink()
    shipped = path.read_text("utf-8")
    path.write_text(shipped.replace("      actions: write", "      # none: write").strip(), "utf-8")

    shown = repo.loop("init", "--github", "--diff")

    assert shown.code == 1
    assert "+      actions: write # to dispatch the next round" in shown.out
    assert "+++ b/.github/workflows/loop-sweep.yml" in shown.out
    assert "ISSUE_TEMPLATE" not in shown.out
    (repo.root / "missing.patch").write_text(shown.out)
    repo.git("apply", "missing.patch")
    assert path.read_text("utf-8") == shipped
    again = repo.loop("init", "--github", "--diff")
    assert (again.code, again.out) == (0, "")


def test_a_patch_is_for_the_layout_and_the_agent_of_the_file_or_those_that_are_named(
    repo: Repo,
) -> None:
    fresh = repo.loop("init", "--github", "--diff")
    assert "+          worker-backend: codex" in fresh.out
    assert not (repo.root / ".github").exists()
    repo.loop("init", "--github", "--backend", "opencode")

    named = repo.loop("init", "--github", "--diff", "--backend", "claude", "--layout", "three-jobs")

    assert "+          worker-backend: claude" in named.out
    assert "+          phase: claim" in named.out


def test_a_link_is_not_compared(repo: Repo, tmp_path: Path) -> None:
    path = repo.root / ".github" / "workflows" / "loop.yml"
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "outside.yml")

    assert_refused(repo.loop("init", "--github", "--diff"), 3, str(path), "Make it a plain file")


def test_without_an_origin_the_first_step_is_a_repository_on_github(repo: Repo) -> None:
    steps = _steps(repo.loop("init", "--github"))

    assert "gh repo create --source=. --push" in steps
    assert "git push" not in steps


def test_outside_a_repository_nothing_is_written(repo: Repo, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()

    assert_refused(repo.loop("init", "--github", cwd=bare), 1, "not a git repository", "git init")
    assert list(bare.iterdir()) == []


@pytest.mark.parametrize("leads", ["to a file", "nowhere"])
def test_a_link_in_the_place_of_a_workflow_is_not_followed(
    repo: Repo, tmp_path: Path, leads: str
) -> None:
    target = tmp_path / "outside.yml"
    if leads == "to a file":
        target.write_text("mine")
    path = repo.root / ".github" / "workflows" / "loop.yml"
    path.parent.mkdir(parents=True)
    path.symlink_to(target)

    told = repo.loop("init", "--github")

    assert told.code == 0
    assert f"Left {path} as it is" in told.out
    assert path.is_symlink()
    assert target.exists() == (leads == "to a file")
    assert (path.parent / "loop-sweep.yml").is_file()


@pytest.mark.parametrize("name", [".github", ".github/workflows"])
def test_a_linked_folder_is_refused_before_anything_is_written(
    repo: Repo, tmp_path: Path, name: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.rmtree(repo.folder)
    path = repo.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(elsewhere)

    assert_refused(repo.loop("init", "--github"), 3, str(path), "Replace it with a folder")
    assert list(elsewhere.iterdir()) == []
    assert not repo.folder.exists()


def test_a_folder_that_may_not_be_written_is_one_sentence(repo: Repo) -> None:
    repo.loop("init")
    folder = repo.root / ".github"
    folder.mkdir()
    folder.chmod(0o555)
    # What a folder's mode forbids does not bind root, unless that power is taken from it.
    bound = ["setpriv", "--bounding-set=-dac_override"] if os.getuid() == 0 else []

    done = subprocess.run(
        [*bound, str(LOOP), "init", "--github"],
        cwd=repo.root,
        env=repo.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith(f"Error: {folder}")
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []


def test_an_unknown_choice_names_the_known_ones(repo: Repo) -> None:
    backend = repo.loop("init", "--github", "--backend", "cody")
    assert_refused(backend, 3, "cody", "codex, claude, opencode")
    layout = repo.loop("init", "--github", "--layout", "two")
    assert_refused(layout, 3, "two", "one-job, three-jobs")
    assert not (repo.root / ".github").exists()


def test_choices_without_github_are_refused(repo: Repo) -> None:
    assert_refused(repo.loop("init", "--backend", "claude"), 3, "--backend", "Add --github")
    assert_refused(repo.loop("init", "--diff"), 3, "--diff", "Add --github")


def test_with_a_token_the_labels_are_made_on_the_forge_of_the_origin(
    repo: Repo, tmp_path: Path
) -> None:
    with GitServer(tmp_path / "hosted") as git, GitHubServer(git) as api:
        git.create_repository("octo/demo")
        git.add_token("mona-token", "mona")
        api.set_role("octo/demo", "mona", "write")
        repo.git("remote", "add", "origin", f"{git.url}/octo/demo.git")
        env = {
            "GITHUB_TOKEN": "mona-token",
            "GITHUB_SERVER_URL": git.url,
            "GITHUB_API_URL": api.url,
        }

        steps = _steps(repo.loop("init", "--github", env=env))
        made = {label.name for label in api.repository("octo/demo").labels.values()}
        again = repo.loop("init", "--github", env=env)

    assert "gh label create" not in steps
    assert made == {"loop", "loop:approved", "loop:needs-human", "loop:failed"}
    assert "The labels exist in octo/demo." in again.out


def test_a_forge_that_says_no_leaves_the_label_to_a_person(repo: Repo, tmp_path: Path) -> None:
    with GitServer(tmp_path / "hosted") as git, GitHubServer(git) as api:
        git.create_repository("octo/demo")
        repo.git("remote", "add", "origin", f"{git.url}/octo/demo.git")
        env = {"GITHUB_TOKEN": "wrong", "GITHUB_SERVER_URL": git.url, "GITHUB_API_URL": api.url}

        told = repo.loop("init", "--github", env=env)

    assert "The labels could not be created: " in told.out
    assert "gh label create loop" in _steps(told)


def test_without_a_token_nothing_heavy_is_waited_for(repo: Repo) -> None:
    loaded = imported_by(repo.root, "init", "--github")

    assert "loop_kit.usecases.github_files" in loaded
    assert heavy(loaded) == set()


CI = "name: CI\non: {push: {branches: [main]}, pull_request: {}}\njobs: {}\n"
NIGHTLY = (
    "name: Nightly\non: {schedule: [{cron: '1 1 * * *'}], push: {branches: [main]}}\njobs: {}\n"
)
UNNAMED = "on: [push]\njobs: {}\n"


def test_the_loop_starts_at_the_end_of_the_workflows_that_check_pull_requests(repo: Repo) -> None:
    folder = repo.root / ".github" / "workflows"
    folder.mkdir(parents=True)
    for name, text in {"ci": CI, "nightly": NIGHTLY, "unit": UNNAMED, "bad": "on: [\n"}.items():
        (folder / f"{name}.yml").write_text(text, "utf-8")

    assert repo.loop("init", "--github").code == 0

    workflow = yaml.safe_load((folder / "loop.yml").read_text("utf-8"))
    assert workflow[True]["workflow_run"] == {
        "workflows": ["CI", ".github/workflows/unit.yml"],
        "types": ["completed"],
    }
    assert repo.loop("init", "--github", "--diff").out == ""
    assert "continues the loop" in repo.loop("doctor").out
    (folder / "lint.yml").write_text(CI.replace("CI", "Lint"), "utf-8")
    assert "at the end of Lint: only the sweep does" in repo.loop("doctor").out
