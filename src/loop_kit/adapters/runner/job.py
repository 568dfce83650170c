"""The job that a runner started, and the event that started it.

Only facts are read from the payload. Permissions are checked with the API, because a payload's
`author_association` or the mere existence of a label proves nothing.
"""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from loop_kit.core.ci.requests import is_under
from loop_kit.core.record import Record
from loop_kit.errors import BadSetting, BranchRefused

BOT = "github-actions[bot]"
_BOT_SUFFIX = "[bot]"
_LOGIN = re.compile(r"[A-Za-z0-9_-]{1,100}(?:\[bot\])?")
_ATTEMPT = re.compile(r"[0-9]{1,9}")
_MAX_EVENT = 16 * 1024 * 1024


class Job(Record):
    """The runner's description of this job; a login that is not valid is ''.

    The event's payload is not part of it: it is long, and `read_payload` reads it once.
    """

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
    sender_type: Literal["User", "Bot"] = "User"
    rerun_by: str
    is_private: bool = False

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who took part in starting this job."""
        names = (self.sender, self.rerun_by)
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def starter(self) -> str:
        """The login that starts a loop with this job; a bot's is marked as one for later jobs."""
        plain = self.sender_type == "Bot" and not is_bot(self.sender, "")
        return f"{self.sender}{_BOT_SUFFIX}" if plain else self.sender


def read_payload(environ: Mapping[str, str]) -> Mapping[str, Any]:
    """The event that started the job, as the forge sent it; empty if the runner has none.

    Raises:
        BadSetting: it is over 16 MiB, or it is not JSON.
    """
    path = environ.get("GITHUB_EVENT_PATH", "")
    if not path or not Path(path).is_file():
        return {}
    if Path(path).stat().st_size > _MAX_EVENT:
        raise BadSetting(
            f"The event {path} is too long.", "Run the job again.", anchor="event-unusable"
        )
    try:
        payload = json.loads(Path(path).read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadSetting(
            f"The event {path} is not JSON: {str(error)[:100]}.",
            "Run the job again.",
            anchor="event-unusable",
        ) from None
    return payload if isinstance(payload, dict) else {}


def read_job(environ: Mapping[str, str], payload: Mapping[str, Any] | None = None) -> Job:
    """The job that `environ` describes; `payload` is its event, if it was read already.

    Raises:
        BadSetting: a variable that every runner sets is missing, or the event cannot be read.
    """
    repository = environ.get("GITHUB_REPOSITORY", "")
    if not repository:
        raise BadSetting(
            "GITHUB_REPOSITORY is not set.",
            "`loop action` runs in a job; on a laptop: loop run",
            anchor="not-in-a-job",
        )
    if payload is None:
        payload = read_payload(environ)
    sender = _login(at(payload, "sender", "login")) or _login(environ.get("GITHUB_ACTOR"))
    attempt = environ.get("GITHUB_RUN_ATTEMPT", "1")
    rerun_by = _login(environ.get("GITHUB_TRIGGERING_ACTOR"))
    branch = at(payload, "repository", "default_branch")
    return Job(
        event=environ.get("GITHUB_EVENT_NAME", ""),
        repository=repository,
        api_url=environ.get("GITHUB_API_URL") or "https://api.github.com",
        server_url=environ.get("GITHUB_SERVER_URL") or "https://github.com",
        ref=environ.get("GITHUB_REF", ""),
        sha=environ.get("GITHUB_SHA", ""),
        run_id=environ.get("GITHUB_RUN_ID", ""),
        run_attempt=int(attempt) if _ATTEMPT.fullmatch(attempt) else 1,
        workflow=workflow_file(environ.get("GITHUB_WORKFLOW_REF", "")),
        workspace=environ.get("GITHUB_WORKSPACE") or ".",
        temp=environ.get("RUNNER_TEMP", ""),
        default_branch=branch if isinstance(branch, str) else "",
        sender=sender,
        sender_type="Bot" if is_bot(sender, at(payload, "sender", "type")) else "User",
        rerun_by=rerun_by if rerun_by != sender else "",
        is_private=at(payload, "repository", "private") is True,
    )


def under_prefix(job: Job, prefix: str) -> bool:
    """Whether the job runs on a loop branch, where an agent may have written the workflow."""
    return is_under(job.ref.removeprefix("refs/heads/"), prefix)


def require_trusted_ref(job: Job, prefix: str) -> None:
    """Refuse a job on a loop branch, where an agent may have written the workflow.

    Raises:
        BranchRefused: the job runs on one.
    """
    if under_prefix(job, prefix):
        raise BranchRefused(
            f"The job runs on {job.ref}, where an agent may have written the workflow.",
            "Run the workflow on the default branch.",
            anchor="run-from-a-loop-branch",
        )


def is_bot(login: str, type_: object) -> bool:
    """Whether an account is an app's; `type_` is its type according to the forge."""
    return type_ == "Bot" or login.endswith(_BOT_SUFFIX)


def is_allowed_bot(login: str, allowed: Collection[str]) -> bool:
    """Whether the setting `allowed-bots` names this bot, with or without its `[bot]`.

    Call it only for a sender whose type is "Bot": a person can have the name of an app.
    """
    name = _bot_name(login)
    return bool(name) and name in {_bot_name(one) for one in allowed}


def at(payload: object, *path: str) -> Any:
    """The value at `path` in the event, or None: its shape is not trusted."""
    for key in path:
        payload = payload.get(key) if isinstance(payload, Mapping) else None
    return payload


def _login(name: object) -> str:
    """`name` if it can be a login, else ''; it becomes part of a URL of the API."""
    return name if isinstance(name, str) and _LOGIN.fullmatch(name) else ""


def _bot_name(login: str) -> str:
    name = login.strip()
    return _login(name.lower()).removesuffix(_BOT_SUFFIX) if name.isascii() else ""


def workflow_file(workflow_ref: str) -> str:
    """`loop.yml` of `owner/name/.github/workflows/loop.yml@refs/heads/main`."""
    return workflow_ref.partition("@")[0].rpartition("/")[2]
