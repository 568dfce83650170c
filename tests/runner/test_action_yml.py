"""action.yml as users get it, run by nektos/act in host mode, from dispatch to approval."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests import pages
from tests.e2e.conftest import BOT, CARD, REPOSITORY, Hub, MakeHub
from tests.e2e.conftest import make_hub as make_hub  # noqa: PLC0414
from tests.e2e.events import Event, commented, dispatched, labelled
from tests.e2e.test_issues_in_ci import FORM
from tests.e2e.test_refused_pushes_in_ci import SIGNATURES, take_up
from tests.e2e.test_sweep_in_ci import grow_old
from tests.support.git_policy import set_content_rules

from loop_kit.core.loop.refused_push import BUNDLE

ROOT = Path(__file__).resolve().parents[2]
USED = "uses: loop-kit/action@v0"
INSTALLED = "pipx run --spec git+https://github.com/loop-kit/action@v0 loop"
TOKEN = "bot-token-0123456789"
REUSABLE = ".github/workflows/loop-reusable.yml"
PUBLISHED = ("action.yml", "src", "requirements.lock", "requirements-uv.lock", REUSABLE)


@dataclass(frozen=True)
class Ran:
    """One run of a workflow: its exit code, and what the runner said as JSON lines."""

    code: int
    said: list[dict[str, Any]]

    @property
    def log(self) -> str:
        return "\n".join(str(line.get("msg", "")).rstrip() for line in self.said)

    def outputs(self) -> dict[str, str]:
        return {
            str(line["name"]): str(line["arg"])
            for line in self.said
            if line.get("command") == "set-output"
        }


def workflow(name: str = "loop.yml") -> str:
    """A shipped workflow, with the embedded agent in the place of a model."""
    text = (ROOT / "examples" / name).read_text()
    lines = [line for line in text.splitlines() if "npm install" not in line]
    shipped = "\n".join(lines).replace("-backend: codex", "-backend: scripted")
    assert USED in shipped
    return shipped.replace(INSTALLED, str(Path(sys.executable).with_name("loop")))


@pytest.fixture
def hub(make_hub: MakeHub) -> Hub:
    names = [path.name for path in (ROOT / "examples").glob("*.yml") if USED in path.read_text()]
    assert len(names) >= 4
    hub = make_hub(files={f".github/workflows/{name}": workflow(name) for name in names})
    permit(hub, yaml.safe_load(workflow())["jobs"]["round"]["permissions"])
    return hub


def permit(hub: Hub, declared: dict[str, str]) -> None:
    """Give the job's token the permissions that its workflow declares."""
    hub.git.add_token(TOKEN, BOT)
    granted = {name.replace("-", "_"): level for name, level in declared.items()}
    hub.api.set_permissions(TOKEN, granted)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """What a machine keeps between jobs: the first one downloads, the others do not wait for it."""
    if worker_id == "master":
        return tmp_path_factory.mktemp("cache")
    shared = tmp_path_factory.getbasetemp().parent / "cache"
    shared.mkdir(exist_ok=True)
    return shared


@dataclass(frozen=True)
class Action:
    """The action as a release has it, and the cache of the machine that it is used on."""

    folder: Path
    cache: Path


@pytest.fixture
def published(tmp_path: Path, cache: Path) -> Action:
    """The files that git tracks, and no others."""
    target = tmp_path / "action"
    listed = subprocess.run(
        ["git", "ls-files", "-z", *PUBLISHED],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    for name in filter(None, (part.decode() for part in listed)):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    return Action(target, cache)


def stand_ins(store: Path) -> list[str]:
    """For the actions that keep artifacts, a folder or one file, and those that no test runs."""
    steps = {
        "upload-artifact": f"""
            into="{store}/$NAME"; mkdir -p "$into"
            if [ -d "$KEPT" ]; then cp -r "$KEPT/." "$into"; else cp "$KEPT" "$into"; fi
        """,
        "download-artifact": f'mkdir -p "$KEPT" && cp -r "{store}/$NAME/." "$KEPT"',
        **dict.fromkeys(("create-github-app-token", "setup-node", "setup-python"), "false"),
    }
    used = (ROOT / "examples" / "loop-three-jobs.yml", ROOT / "action.yml", ROOT / REUSABLE)
    text = "".join(file.read_text() for file in used)
    found = []
    for name, script in steps.items():
        inputs = {
            key: {"default": ""} for key in ("name", "path", "if-no-files-found", "overwrite")
        }
        env = {"KEPT": "${{ inputs.path }}", "NAME": "${{ inputs.name }}"}
        step = {"run": script, "shell": "bash", "env": env}
        action = {"name": name, "inputs": inputs, "runs": {"using": "composite", "steps": [step]}}
        folder = store.parent / name
        folder.mkdir()
        (folder / "action.yml").write_text(yaml.safe_dump(action))
        shas = set(re.findall(rf"actions/{name}@([0-9a-f]{{40}})", text))
        found += [f"actions/{name}@{sha}={folder}" for sha in shas]
    return found


def run_workflow(
    hub: Hub,
    published: Action,
    folder: Path,
    asked: Event | dict[str, str],
    name: str = "loop.yml",
) -> Ran:
    """Run one of the repository's workflows for an event, or for a dispatch with these inputs."""
    if not isinstance(asked, Event):
        asked = dispatched(asked, BOT if "round" in asked else "mona")
    folder.mkdir()
    checkout = folder / "repository"
    subprocess.run(["git", "clone", "-q", str(hub.bare.path), str(checkout)], check=True)
    event = folder / "event.json"
    event.write_text(json.dumps(asked.payload))
    secrets = folder / "secrets"
    secrets.write_text(f"GITHUB_TOKEN={TOKEN}\n")
    variables = {
        "GITHUB_API_URL": hub.api.url,
        "GITHUB_SERVER_URL": hub.git.url,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_RUN_ID": str(2000 + len(hub.git.pushes)),
        "GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/{name}@refs/heads/main",
    }
    replaced = stand_ins(folder / "artifacts")
    argv = [
        os.environ["ACT"],
        asked.name,
        *("-W", f".github/workflows/{name}"),
        *("-P", "ubuntu-latest=-self-hosted"),
        *("-e", str(event)),
        *("--secret-file", str(secrets)),
        *("--local-repository", f"loop-kit/action@v0={published.folder}"),
        *(part for one in replaced for part in ("--local-repository", one)),
        *("--no-cache-server", "--rm", "--json", "--defaultbranch", "main"),
        *("--env-file", os.devnull, "--var-file", os.devnull, "--input-file", os.devnull),
        *(part for name, value in variables.items() for part in ("--env", f"{name}={value}")),
    ]
    done = subprocess.run(
        argv,
        cwd=checkout,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(published.cache),
            "ACT_DISABLE_VERSION_CHECK": "1",
            "GIT_PAGER": "cat",
            **{k: v for k, v in os.environ.items() if "CERT" in k or "PROXY" in k.upper()},
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return Ran(done.returncode, [json.loads(line) for line in lines])


def test_the_example_workflow_takes_a_committed_card_to_approval(
    hub: Hub, published: Action, tmp_path: Path
) -> None:
    first = run_workflow(hub, published, tmp_path / "one", {"task": ".loop/task_card.json"})

    assert first.code == 0, first.log
    assert first.outputs()["continue"] == "true"
    (dispatch,) = hub.api.dispatches

    second = run_workflow(hub, published, tmp_path / "two", dict(dispatch.inputs))

    assert second.code == 0, second.log
    assert second.outputs()["outcome"] == "approved"
    assert len(hub.git.pushes) == 8
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    first_review, second_review = pull.reviews
    assert "Round 1: changes required" in first_review.body
    assert "Round 2: approved" in second_review.body


def test_a_label_on_an_issue_takes_the_shipped_workflow_to_approval(
    hub: Hub, published: Action, tmp_path: Path
) -> None:
    issue = hub.api.open_issue(REPOSITORY, "Two bugs", FORM, "mona", ("loop",))

    first = run_workflow(hub, published, tmp_path / "one", labelled(issue))

    assert first.code == 0, first.log
    (dispatch,) = hub.api.dispatches
    second = run_workflow(hub, published, tmp_path / "two", dict(dispatch.inputs))
    assert second.outputs()["outcome"] == "approved", second.log
    assert len(hub.git.pushes) == 8
    assert "Approved in round 2" in issue.comments[0].body


def test_the_shipped_workflow_starts_no_job_for_other_labels_and_talk(
    hub: Hub, published: Action, tmp_path: Path
) -> None:
    issue = hub.api.open_issue(REPOSITORY, "Two bugs", FORM, "mona", ("bug",))
    talk = hub.api.comment(REPOSITORY, issue.number, "mona", "When will this /loop?")

    events = (labelled(issue, label="bug"), commented(issue, talk))
    ran = [run_workflow(hub, published, tmp_path / e.name, e) for e in events]

    assert [one.code for one in ran] == [0, 0]
    assert all("Run Main" not in one.log for one in ran)
    assert hub.api.requests == []


def test_a_command_in_a_comment_stops_the_loop_of_the_shipped_workflow(
    hub: Hub, published: Action, tmp_path: Path
) -> None:
    issue = hub.api.open_issue(REPOSITORY, "Two bugs", FORM, "mona", ("loop",))
    run_workflow(hub, published, tmp_path / "one", labelled(issue))
    said = hub.api.comment(REPOSITORY, issue.number, "mona", "/loop stop")

    stopped = run_workflow(hub, published, tmp_path / "two", commented(issue, said))

    assert stopped.outputs()["outcome"] == "cancelled", stopped.log


def test_a_missing_card_turns_the_job_red_with_a_sentence_and_a_remedy(
    hub: Hub, published: Action, tmp_path: Path
) -> None:
    ran = run_workflow(hub, published, tmp_path / "one", {"task": "nowhere.json"})

    assert ran.code == 1
    assert "The task card nowhere.json is not committed" in ran.log
    assert hub.git.pushes == []


@pytest.mark.timeout(600)
def test_the_example_of_three_jobs_takes_an_issue_to_approval(
    hub: Hub, published: Action, tmp_path: Path
) -> None:
    name = "loop-three-jobs.yml"
    issue = hub.api.open_issue(REPOSITORY, "Two bugs", FORM, "mona", ("loop",))

    first = run_workflow(hub, published, tmp_path / "one", labelled(issue), name)

    assert first.code == 0, first.log
    (dispatch,) = hub.api.dispatches
    assert (dispatch.workflow, len(hub.git.pushes)) == (name, 4)
    second = run_workflow(hub, published, tmp_path / "two", dict(dispatch.inputs), name)
    assert second.code == 0, second.log
    assert hub.state("issue-1")["outcome"] == "approved"


@pytest.mark.timeout(600)
def test_the_first_workflow_of_the_readme_takes_an_issue_to_approval(
    make_hub: MakeHub, published: Action, tmp_path: Path
) -> None:
    (shown,) = pages.blocks("README.md", "yaml")
    document = yaml.safe_load(shown)
    heard, webhook = tmp_path / "heard", "https://hooks.example"
    document["jobs"]["loop"]["with"] = {
        "backend": "scripted",  # neither Node.js nor a model here
        "on-event": f'cat >> {heard}; echo " $WEBHOOK" >> {heard}',
    }
    document["jobs"]["loop"]["secrets"] = {"webhook": webhook}
    on_actions = {"on": document.pop(True), **document}
    hub = make_hub(files={".github/workflows/loop.yml": yaml.safe_dump(on_actions)})
    permit(hub, document["jobs"]["loop"]["permissions"])
    issue = hub.api.open_issue(REPOSITORY, "Two bugs", FORM, "mona", ("loop",))

    first = run_workflow(hub, published, tmp_path / "one", labelled(issue))

    assert first.code == 0, first.log
    (dispatch,) = hub.api.dispatches
    assert (dispatch.workflow, len(hub.git.pushes)) == ("loop.yml", 4)
    second = run_workflow(hub, published, tmp_path / "two", dict(dispatch.inputs))
    assert second.code == 0, second.log
    assert hub.state("issue-1")["outcome"] == "approved"
    lines = heard.read_text("utf-8").splitlines()
    one_round = ["round.started", *["attempt.started", "attempt.ended"] * 2, "review.reported"]
    assert [json.loads(line.removesuffix(f" {webhook}"))["event"] for line in lines] == [
        "loop.started",
        *one_round * 2,
        "loop.ended",
    ]


def test_the_example_of_the_sweep_carries_on_a_loop_whose_job_was_lost(
    hub: Hub, published: Action, tmp_path: Path
) -> None:
    hub.job()
    grow_old(hub)
    swept = Event("schedule", {"schedule": "17 * * * *", **dispatched({}, "mona").payload})

    ran = run_workflow(hub, published, tmp_path / "one", swept, "loop-sweep.yml")

    assert ran.code == 0, ran.log
    assert [one.workflow for one in hub.api.dispatches] == ["loop.yml", "loop.yml"]


def test_the_example_of_a_plan_starts_one_loop_for_each_card_that_is_ready(
    hub: Hub, published: Action, tmp_path: Path
) -> None:
    waits = {**CARD, "task_id": "B", "depends_on": ["T-001"]}
    hub.bare.commit_files("main", {".loop/tasks/b.json": json.dumps(waits)}, "Add a card")

    ran = run_workflow(hub, published, tmp_path / "one", {}, "loop-plan.yml")

    assert ran.code == 0, ran.log
    assert [one.inputs["task-id"] for one in hub.api.dispatches] == ["T-001"]
    assert hub.bare.resolve("refs/heads/loop/B/state") is None


def test_what_the_git_server_refused_is_uploaded_and_pushed_by_the_command_of_the_message(
    hub: Hub, published: Action, tmp_path: Path
) -> None:
    hub.git.after_push.append(lambda _: set_content_rules(hub.bare, SIGNATURES))

    refused = run_workflow(hub, published, tmp_path / "one", {"task": ".loop/task_card.json"})

    assert refused.code == 0, refused.log
    assert hub.state()["reasons"] == ["push_refused"]
    bundle = tmp_path / "one" / "artifacts" / "loop-kit-work-T-001" / BUNDLE
    assert bundle.is_file(), refused.log
    hub.git.after_push.clear()
    set_content_rules(hub.bare)
    take_up(hub, tmp_path / "clone", str(bundle))
    assert hub.bare.head("loop/T-001/work") == hub.state()["held"]["sha"]
    again = run_workflow(hub, published, tmp_path / "two", {"task-id": "T-001"})
    assert "worker (scripted)" not in again.log
    assert again.outputs()["continue"] == "true", again.log
