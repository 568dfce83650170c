"""The workflows that we ship: valid, made of what the action knows, with no right too many.

What actionlint and GitHub's own parser say of the same files is proved by `.ci/workflows`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.pages import blocks
from tests.reference.words import NOT_OF_THE_REUSABLE

from loop_kit import defaults
from loop_kit.adapters.agents.catalogue import KNOWN
from loop_kit.core.card.task import parse_card
from loop_kit.core.forge.status import LABELS
from loop_kit.core.loop.trailers import Origin, own_trailers
from loop_kit.core.text.plain_words import commit_message
from loop_kit.settings import INPUTS, Settings
from loop_kit.usecases.github_files import TRIGGER_LABEL, AgentChoice, Layout, files

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sysconfig.get_path("scripts"))
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
SHIM = ROOT / "examples" / "loop-shim.yml"
REUSABLE = ROOT / ".github" / "workflows" / "loop-reusable.yml"
EXAMPLES = [path for path in sorted((ROOT / "examples").glob("*.yml")) if path != SHIM]
VARIANTS = [(layout, agent) for layout in Layout for agent in AgentChoice]
EXAMPLE_BUDGETS = {"max-minutes", "max-cost-usd"}
WRITE = {"contents", "pull-requests", "issues", "statuses", "actions"}
POSTS = {**dict.fromkeys(WRITE, "write"), "checks": "read"}
"""The permissions of a job that posts."""


def _workflow(layout: Layout, agent: AgentChoice) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(files(layout, agent)[".github/workflows/loop.yml"])
    return document


def _steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def _ours(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    found = [step for step in _steps(workflow) if step.get("uses", "").startswith("loop-kit/")]
    assert found
    return found


def _checked(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if k not in {"GH_TOKEN", "GITHUB_TOKEN"}}
    return subprocess.run(
        [str(word) for word in command],
        env=environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def _zizmor(*paths: Path) -> subprocess.CompletedProcess[str]:
    options = ("--offline", "--strict-collection", "--no-progress", "--persona=pedantic")
    config = ROOT / ".github" / "zizmor.yml"
    return _checked(BIN / "zizmor", *options, "--config", config, *paths)


def _schema(name: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    return _checked(BIN / "check-jsonschema", "--builtin-schema", f"vendor.{name}", *paths)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every workflow that `loop init --github` can write."""
    folder = tmp_path_factory.mktemp("workflows")
    made = []
    for layout, agent in VARIANTS:
        made.append(folder / f"{layout}-{agent}.yml")
        checks = ("CI", 'it\'s: "late" # 1') if agent is AgentChoice.CODEX else ()
        text = files(layout, agent, checks=checks)[".github/workflows/loop.yml"]
        made[-1].write_text(text, "utf-8")
    return made


def test_the_examples_are_the_files_that_are_installed() -> None:
    for name in ("loop.yml", "loop-three-jobs.yml", "loop-sweep.yml"):
        assert (ROOT / "examples" / name).read_text("utf-8") == defaults.text(f"github/{name}")


def test_every_workflow_that_can_be_installed_fits_githubs_schema(written: list[Path]) -> None:
    assert (done := _schema("github-workflows", *written)).returncode == 0, done.stdout


def test_every_workflow_that_can_be_installed_passes_a_pedantic_audit(written: list[Path]) -> None:
    assert (done := _zizmor(*written)).returncode == 0, done.stdout


def test_the_audit_and_the_schema_find_what_is_planted(tmp_path: Path) -> None:
    text = files(Layout.THREE_JOBS, AgentChoice.CODEX)[".github/workflows/loop.yml"]
    bad = tmp_path / "bad.yml"
    bad.write_text(
        text.replace("npm install --global", "echo ${{ github.event.comment.body }}").replace(
            "timeout-minutes: 15", "timeout-minuts: 15"
        ),
        "utf-8",
    )

    assert "template-injection" in _zizmor(bad).stdout
    assert "timeout-minuts" in _schema("github-workflows", bad).stdout


def test_the_issue_form_fits_githubs_schema() -> None:
    form = ROOT / "src/loop_kit/defaults/github/issue_form.yml"
    assert (done := _schema("github-issue-forms", form)).returncode == 0, done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_input_and_output_in_an_example_is_one_of_the_action(path: Path) -> None:
    text = path.read_text("utf-8")
    workflow = yaml.safe_load(text)
    ours = _ours(workflow)

    assert {name for step in ours for name in step.get("with", {})} <= set(ACTION["inputs"])
    for step in ours:
        if "id" in step:
            read = set(re.findall(rf"steps\.{step['id']}\.outputs\.([\w-]+)", text))
            assert read
            assert read <= set(ACTION["outputs"])


@pytest.mark.parametrize(("layout", "agent"), VARIANTS)
def test_what_a_dispatch_declares_reaches_the_action_as_it_is(
    layout: Layout, agent: AgentChoice
) -> None:
    workflow = _workflow(layout, agent)
    declared = workflow[True]["workflow_dispatch"]["inputs"]
    first = _ours(workflow)[0]["with"]

    assert set(declared) == {
        *("task", "issue", "pull-request", "task-id", "round", "expected-state")
    }
    assert all(one["type"] == "string" and not one.get("default") for one in declared.values())
    assert {name: first[name] for name in declared} == {
        name: f"${{{{ inputs.{name} }}}}" for name in declared
    }
    assert {name.replace("-", "_") for name in declared} <= set(INPUTS)


@pytest.mark.parametrize(("layout", "agent"), VARIANTS)
def test_the_agent_is_the_chosen_one_in_the_version_its_flags_were_checked_with(
    layout: Layout, agent: AgentChoice
) -> None:
    workflow = _workflow(layout, agent)
    (step,) = (step for step in _ours(workflow) if "worker-backend" in step["with"])
    keys = {name for name in step["with"] if name.endswith("-api-key")}

    assert [s["run"] for s in _steps(workflow) if "run" in s] == [KNOWN[agent].install]
    assert step["with"]["worker-backend"] == step["with"]["reviewer-backend"] == agent
    if agent is AgentChoice.OPENCODE:
        assert keys == set()
        assert [step["with"]["agent-env"]] == list(step["env"])
    else:
        assert {key.replace("-", "_") for key in keys} < set(KNOWN[agent].keys.values())
        assert "env" not in step


@pytest.mark.parametrize("agent", AgentChoice)
def test_the_job_in_which_agents_run_can_write_nothing_and_the_others_know_no_key(
    agent: AgentChoice,
) -> None:
    jobs = _workflow(Layout.THREE_JOBS, agent)["jobs"]

    assert jobs["agents"]["permissions"] == {"contents": "read"}
    for name in ("claim", "publish"):
        assert jobs[name]["permissions"] == POSTS
        assert "secrets." not in yaml.safe_dump(jobs[name])
        assert not any("run" in step for step in jobs[name]["steps"])
    phases = [
        step["with"]["phase"] for name in jobs for step in _ours({"jobs": {name: jobs[name]}})
    ]
    assert phases == ["claim", "agents", "publish"]


@pytest.mark.parametrize("agent", AgentChoice)
def test_the_bundle_is_put_down_and_picked_up_at_one_place_under_one_name(
    agent: AgentChoice,
) -> None:
    steps = _steps(_workflow(Layout.THREE_JOBS, agent))
    up, down = (
        next(step for step in steps if step.get("uses", "").startswith(f"actions/{way}-artifact@"))
        for way in ("upload", "download")
    )

    place = {"name": "loop-kit-bundle", "path": "${{ runner.temp }}/loop-kit-bundle"}
    assert place.items() <= up["with"].items()
    assert down["with"] == place
    assert up["if"] == "always()"


def test_the_reusable_workflow_and_its_shim_pass_the_same_audits() -> None:
    assert (done := _schema("github-workflows", REUSABLE, SHIM)).returncode == 0, done.stdout
    assert (done := _zizmor(REUSABLE, SHIM)).returncode == 0, done.stdout


def test_the_reusable_workflow_gives_the_action_what_a_dispatch_of_the_shim_declares() -> None:
    reusable, shim = (yaml.safe_load(path.read_text("utf-8")) for path in (REUSABLE, SHIM))
    (call,) = shim["jobs"].values()
    jobs = reusable["jobs"]
    claim = _ours({"jobs": {"claim": jobs["claim"]}})[0]["with"]

    assert len(SHIM.read_text("utf-8").splitlines()) <= 15
    assert call["uses"] == "loop-kit/action/.github/workflows/loop-reusable.yml@v0"
    assert call["permissions"] == jobs["claim"]["permissions"] == POSTS
    assert jobs["agents"]["permissions"] == {"contents": "read"}
    declared = shim[True]["workflow_dispatch"]["inputs"]
    assert set(declared) == set(
        _workflow(Layout.ONE_JOB, AgentChoice.CODEX)[True]["workflow_dispatch"]["inputs"]
    )
    assert {name: claim[name] for name in declared} == {
        name: f"${{{{ github.event.inputs.{name} }}}}" for name in declared
    }
    given = {name for step in _ours(reusable) for name in step["with"]}
    assert given <= set(ACTION["inputs"])
    assert set(call["secrets"]) <= set(reusable[True]["workflow_call"]["secrets"])
    installed = [step["run"] for step in jobs["agents"]["steps"] if "run" in step]
    assert installed == [KNOWN[agent].install for agent in AgentChoice]


def test_every_input_of_the_action_is_one_of_the_reusable_workflow_or_left_out_for_a_reason() -> (
    None
):
    document = yaml.safe_load(REUSABLE.read_text("utf-8"))
    inputs = document[True]["workflow_call"]["inputs"]
    left_out = {name for group in NOT_OF_THE_REUSABLE for name in group}
    agents = _ours({"jobs": {"agents": document["jobs"]["agents"]}})[0]
    given = {**document["env"], "LOOP_AGENT_ENV": agents["env"]["LOOP_AGENT_ENV"]}
    keys = {name for name in agents["with"] if name not in {"phase", "task-id"}}

    assert set(ACTION["inputs"]) - set(inputs) == left_out
    assert not left_out & set(inputs)
    for name in set(ACTION["inputs"]) & set(inputs):
        variable = f"LOOP_{name.upper().replace('-', '_')}"
        assert f"inputs.{name}" in given[variable], name
    assert {name.removeprefix("LOOP_").lower() for name in given} <= set(INPUTS)
    assert keys | {"webhook", "app-private-key", "reviewer-app-private-key"} == set(
        document[True]["workflow_call"]["secrets"]
    )


def _recipes() -> list[dict[str, Any]]:
    """The workflows on the page for operators; a part of one is put where it belongs."""
    found = []
    for block in blocks("docs/operating.md", "yaml"):
        part = yaml.safe_load(block)
        if isinstance(part, list):
            part = {"agents": {"steps": part}}
        if "jobs" not in part and "agents" not in part:
            part = {"loop": {"uses": "octo/loop/.github/workflows/loop-reusable.yml@main", **part}}
        whole = part if "jobs" in part else {"on": {"workflow_call": {}}, "jobs": part}
        for job in whole["jobs"].values():
            if "uses" not in job:
                job.setdefault("runs-on", "ubuntu-latest")
                job.setdefault("steps", [{"run": "true"}])
        found.append({"on" if name is True else name: value for name, value in whole.items()})
    return found


def test_every_recipe_for_operators_is_a_workflow_with_inputs_of_ours(tmp_path: Path) -> None:
    paths, reusable = [], yaml.safe_load(REUSABLE.read_text("utf-8"))[True]["workflow_call"]
    for number, recipe in enumerate(_recipes()):
        paths.append(tmp_path / f"recipe-{number}.yml")
        paths[-1].write_text(yaml.safe_dump(recipe), "utf-8")
        for job in recipe["jobs"].values():
            assert set(job.get("with", {})) <= set(reusable["inputs"])
            assert set(job.get("secrets", {})) <= set(reusable["secrets"])
            for step in job.get("steps", ()):
                if step.get("uses", "").startswith("loop-kit/"):
                    assert set(step["with"]) <= set(ACTION["inputs"])
            if "id-token" in job.get("permissions", {}):
                assert job["permissions"] == {"contents": "read", "id-token": "write"}
    assert len(paths) == 9
    assert (done := _schema("github-workflows", *paths)).returncode == 0, done.stdout


def test_no_workflow_has_a_group_a_credential_on_disk_or_rights_for_all_jobs() -> None:
    for path in EXAMPLES:
        workflow = yaml.safe_load(path.read_text("utf-8"))
        assert workflow["permissions"] == {}
        assert "concurrency" not in workflow
        for job in workflow["jobs"].values():
            assert "concurrency" not in job
            assert job["timeout-minutes"] <= 350
        for step in _steps(workflow):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_every_shipped_step_that_may_spend_has_a_budget_of_money_and_of_time() -> None:
    for path in EXAMPLES:
        for step in _ours(yaml.safe_load(path.read_text("utf-8"))):
            budgets = {name for name in step["with"] if name in EXAMPLE_BUDGETS}
            assert budgets == (set() if path.name == "loop-sweep.yml" else EXAMPLE_BUDGETS)


def test_a_job_has_time_for_a_whole_round_and_its_end() -> None:
    minutes = Settings().round_timeout_minutes
    for layout in Layout:
        jobs = _workflow(layout, AgentChoice.CODEX)["jobs"]
        job = jobs["agents" if "agents" in jobs else "round"]
        assert job["timeout-minutes"] >= minutes + 15


@pytest.mark.parametrize("layout", Layout)
def test_the_label_that_the_workflow_waits_for_is_the_trigger_of_the_settings(
    layout: Layout,
) -> None:
    first = next(iter(_workflow(layout, AgentChoice.CODEX)["jobs"].values()))

    assert Settings().trigger_label == TRIGGER_LABEL[0]
    assert f"github.event.label.name == '{TRIGGER_LABEL[0]}'" in first["if"]


@pytest.mark.parametrize("layout", Layout)
def test_the_commits_that_the_workflow_waits_for_are_those_that_the_loop_makes(
    layout: Layout,
) -> None:
    first = next(iter(_workflow(layout, AgentChoice.CODEX)["jobs"].values()))
    sought = "contains(github.event.workflow_run.head_commit.message, 'Loop-Id: ')"

    assert sought in first["if"]
    for trailers in (own_trailers("T-001", 1), Origin("T-001", 1, "codex").trailers()):
        assert "Loop-Id: " in commit_message("Work", trailers)


def test_labels_keep_within_githubs_limits() -> None:
    for name, color, description in (
        TRIGGER_LABEL,
        *((label.name, label.color, label.description) for label in LABELS),
    ):
        assert len(name) <= 50
        assert re.fullmatch(r"[0-9a-f]{6}", color)
        assert len(description) <= 100


def test_the_sweep_has_the_workflow_continued_that_is_installed_beside_it() -> None:
    installed = files(Layout.THREE_JOBS, AgentChoice.CODEX)
    sweep = yaml.safe_load(installed[".github/workflows/loop-sweep.yml"])

    (step,) = _ours(sweep)
    assert f".github/workflows/{step['with']['continue-workflow']}" in installed
    assert set(sweep[True]) == {"schedule"}


def test_the_projects_own_cards_can_be_run_and_its_workflow_takes_them() -> None:
    cards = sorted((ROOT / ".loop" / "tasks").glob("*.yml"))
    workflow = yaml.safe_load((ROOT / ".github/workflows/loop.yml").read_text("utf-8"))
    called = yaml.safe_load((ROOT / ".github/workflows/loop-reusable.yml").read_text("utf-8"))

    for path in cards:
        assert parse_card(path.read_bytes(), path.name).task_id == path.stem
    assert len(cards) >= 3
    job = workflow["jobs"]["loop"]
    assert set(workflow[True]["workflow_dispatch"]["inputs"]) >= {"task", "task-id", "round"}
    assert set(job["with"]) <= set(called[True]["workflow_call"]["inputs"])
    assert set(job["secrets"]) <= set(called[True]["workflow_call"]["secrets"])
