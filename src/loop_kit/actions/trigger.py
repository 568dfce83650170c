"""Reads the event that started a job: what it asks of us, or why it is not for us.

Only facts are taken from the payload. Who may do what is asked of the API, because a payload's
`author_association` or the mere existence of a label proves nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loop_kit.core.record import Record
from loop_kit.errors import BadSetting

BOT = "github-actions[bot]"
_MAX_EVENT = 16 * 1024 * 1024


class Job(Record):
    """What the runner says about this job."""

    event: str
    repository: str
    api_url: str
    server_url: str
    ref: str
    sha: str
    run_id: str
    run_attempt: int
    workflow: str
    workspace: str
    temp: str
    default_branch: str
    sender: str
    rerun_by: str

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who had a hand in starting this job."""
        names = (self.sender, self.rerun_by)
        return tuple(dict.fromkeys(name for name in names if name))


def read_job(environ: Mapping[str, str]) -> Job:
    """The job that `environ` describes.

    Raises:
        BadSetting: a variable that every runner sets is missing, or the event cannot be read.
    """
    repository = environ.get("GITHUB_REPOSITORY", "")
    if not repository:
        raise BadSetting(
            "GITHUB_REPOSITORY is not set.", "`loop action` runs in a job; on a laptop: loop run"
        )
    payload = _payload(environ.get("GITHUB_EVENT_PATH", ""))
    sender = _at(payload, "sender", "login") or environ.get("GITHUB_ACTOR", "")
    attempt = environ.get("GITHUB_RUN_ATTEMPT", "1")
    rerun_by = environ.get("GITHUB_TRIGGERING_ACTOR", "")
    return Job(
        event=environ.get("GITHUB_EVENT_NAME", ""),
        repository=repository,
        api_url=environ.get("GITHUB_API_URL") or "https://api.github.com",
        server_url=environ.get("GITHUB_SERVER_URL") or "https://github.com",
        ref=environ.get("GITHUB_REF", ""),
        sha=environ.get("GITHUB_SHA", ""),
        run_id=environ.get("GITHUB_RUN_ID", ""),
        run_attempt=int(attempt) if attempt.isdigit() else 1,
        workflow=_workflow_file(environ.get("GITHUB_WORKFLOW_REF", "")),
        workspace=environ.get("GITHUB_WORKSPACE") or ".",
        temp=environ.get("RUNNER_TEMP", ""),
        default_branch=_at(payload, "repository", "default_branch"),
        sender=sender,
        rerun_by=rerun_by if rerun_by != sender else "",
    )


def not_for_us(job: Job) -> str:
    """Why this event ends green without a round, or ''."""
    if job.event != "workflow_dispatch":
        return f"The event {job.event or '(none)'} is not one this action acts on."
    return ""


def under_prefix(job: Job, prefix: str) -> bool:
    """Whether the job runs on a loop branch, where an agent may have written the workflow."""
    branch = job.ref.removeprefix("refs/heads/")
    return branch == prefix or branch.startswith(f"{prefix}/")


def _workflow_file(workflow_ref: str) -> str:
    """`loop.yml` of `owner/name/.github/workflows/loop.yml@refs/heads/main`."""
    return workflow_ref.partition("@")[0].rpartition("/")[2]


def _payload(path: str) -> Any:
    if not path or not Path(path).is_file():
        return {}
    if Path(path).stat().st_size > _MAX_EVENT:
        raise BadSetting(f"The event {path} is too long.", "Run the job again.")
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadSetting(
            f"The event {path} is not JSON: {str(error)[:100]}.", "Run the job again."
        ) from None


def _at(payload: Any, *path: str) -> str:
    for key in path:
        payload = payload.get(key) if isinstance(payload, dict) else None
    return payload if isinstance(payload, str) else ""
