"""Operations on workflows and their runs."""

from __future__ import annotations

import json
from typing import Any

import yaml
from tests.support.github_requests import Call, Refusal, Reply, Route
from tests.support.github_state import Dispatch

LARGEST_INPUTS = 65535


def action_routes() -> list[Route]:
    actions = "/repos/{owner}/{repo}/actions"
    return [
        Route("GET", f"{actions}/workflows/{{file}}", get_workflow),
        Route("POST", f"{actions}/workflows/{{file}}/dispatches", dispatch),
        Route("GET", f"{actions}/runs/{{id}}", get_run),
        Route("GET", f"{actions}/runs/{{id}}/artifacts", list_artifacts),
        Route("GET", f"{actions}/artifacts", list_artifacts),
        Route("GET", f"{actions}/artifacts/{{id}}/{{form}}", get_artifact),
        Route("GET", f"{actions}/jobs/{{id}}/logs", get_log),
        Route("POST", f"{actions}/runs/{{id}}/rerun-failed-jobs", rerun_failed_jobs),
    ]


def get_workflow(call: Call) -> Reply:
    call.require("read", "actions")
    file, text = workflow_on_default_branch(call)
    name = parse_workflow(text).get("name") or f".github/workflows/{file}"
    return Reply(200, call.shapes.workflow(call.repository, file, name))


def get_run(call: Call) -> Reply:
    call.require("read", "actions")
    run = call.repository.runs.get(int(call.parameters["id"]))
    if run is None:
        raise Refusal(404, "Not Found")
    return Reply(200, call.shapes.run(call.repository, run))


def list_artifacts(call: Call) -> Reply:
    """Those of one run, or of the repository with the newest first."""
    call.require("read", "actions")
    runs, one = call.repository.runs, call.parameters.get("id")
    if one is not None and int(one) not in runs:
        raise Refusal(404, "Not Found")
    wanted = call.query.get("name")
    found = [
        call.shapes.artifact(call.repository, runs[each.run], each)
        for each in reversed(call.repository.artifacts)
        if one in {None, str(each.run)} and wanted in {None, each.name}
    ]
    return Reply(200, {"total_count": len(found), "artifacts": found})


def get_artifact(call: Call) -> Reply:
    """Redirect to where the archive is stored; the link needs no token."""
    call.require("read", "actions")
    number = int(call.parameters["id"])
    found = next((one for one in call.repository.artifacts if one.id == number), None)
    if found is None or call.parameters["form"] != "zip":
        raise Refusal(404, "Not Found")
    if found.expired:
        raise Refusal(410, "Artifact has expired")
    link = f"{call.shapes.base}/stored-artifacts/{call.repository.name}/{number}"
    return Reply(302, None, {"Location": link})


def get_log(call: Call) -> Reply:
    """Redirect to where the log is stored; the link needs no token."""
    call.require("read", "actions")
    job = int(call.parameters["id"])
    if not any(check.id == job and check.run for check in call.repository.check_runs):
        raise Refusal(404, "Not Found")
    link = f"{call.shapes.base}/stored-logs/{call.repository.name}/{job}"
    return Reply(302, None, {"Location": link})


def rerun_failed_jobs(call: Call) -> Reply:
    """Queue again what failed or was cancelled in a run that is over."""
    call.require("write", "actions")
    run = call.repository.runs.get(int(call.parameters["id"]))
    if run is None:
        raise Refusal(404, "Not Found")
    if run.status != "completed":
        raise Refusal(403, "This workflow is already running")
    run.status, run.conclusion, run.run_attempt = "queued", None, run.run_attempt + 1
    for check in call.repository.check_runs:
        if check.run is run and check.conclusion not in {"success", "skipped", "neutral"}:
            check.status, check.conclusion = "queued", None
    call.repository.reruns.append(run.id)
    return Reply(201, {})


def dispatch(call: Call) -> Reply:
    """Start a workflow: it must be on the default branch, but the file at the ref counts."""
    call.require("write", "actions")
    repository, fields = call.repository, call.fields
    file, _ = workflow_on_default_branch(call)
    ref = str(fields.get("ref", ""))
    branch = ref.removeprefix("refs/heads/")
    names = (f"refs/heads/{branch}", f"refs/tags/{ref.removeprefix('refs/tags/')}")
    sha = next((found for name in names if (found := repository.git.resolve(name))), None)
    if not ref or sha is None:
        raise Refusal(422, f"No ref found for: {ref}")
    if file in repository.disabled_workflows:
        raise Refusal(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
    text = repository.git.file(sha, f".github/workflows/{file}")
    trigger = dispatch_trigger(parse_workflow(text)) if text is not None else None
    if trigger is None:
        raise Refusal(422, "Workflow does not have 'workflow_dispatch' trigger")
    inputs = checked_inputs(trigger, fields.get("inputs") or {})
    run = repository.start_run(file, branch, sha, call.caller.login)
    started = Dispatch(repository.name, file, branch, inputs, call.caller.login, run.id)
    call.dispatches.append(started)
    if not fields.get("return_run_details"):
        return Reply(204)
    url = f"{call.shapes.repository_url(repository)}/actions/runs/{run.id}"
    page = f"{call.shapes.site}/{repository.name}/actions/runs/{run.id}"
    return Reply(200, {"workflow_run_id": run.id, "run_url": url, "html_url": page})


def workflow_on_default_branch(call: Call) -> tuple[str, bytes]:
    file = call.repository.workflow_file(call.parameters["file"])
    branch = call.repository.default_branch
    text = call.repository.git.file(f"refs/heads/{branch}", f".github/workflows/{file}")
    if file is None or text is None:
        raise Refusal(404, "Not Found")
    return file, text


def parse_workflow(text: bytes) -> dict[Any, Any]:
    try:
        workflow = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return workflow if isinstance(workflow, dict) else {}


def dispatch_trigger(workflow: dict[Any, Any]) -> dict[str, Any] | None:
    """Return the settings of `workflow_dispatch`, or None without that trigger.

    YAML 1.1 reads the key `on` as true.
    """
    triggers = workflow.get("on", workflow.get(True))
    if isinstance(triggers, str):
        triggers = [triggers]
    if not triggers or "workflow_dispatch" not in triggers:
        return None
    settings = triggers["workflow_dispatch"] if isinstance(triggers, dict) else None
    return settings or {}


def checked_inputs(trigger: dict[str, Any], given: dict[str, Any]) -> dict[str, str]:
    declared = trigger.get("inputs") or {}
    unexpected = [name for name in given if name not in declared]
    if unexpected:
        raise Refusal(422, f"Unexpected inputs provided: {json.dumps(unexpected)}")
    if len(json.dumps(given)) > LARGEST_INPUTS:
        raise Refusal(422, "inputs are too large.")
    for name, settings in declared.items():
        check_input(name, settings or {}, given)
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
    }


def check_input(name: str, settings: dict[str, Any], given: dict[str, Any]) -> None:
    if settings.get("required") and name not in given and "default" not in settings:
        raise Refusal(422, f"Required input '{name}' not provided")
    options = settings.get("options")
    if options and name in given and given[name] not in options:
        value = given[name]
        reason = f"Provided value '{value}' for input '{name}' not in the list of allowed values"
        raise Refusal(422, reason)
