"""The checks of a commit, their logs, and what the rules require, as GitHub's API gives them.

One GraphQL request shows check runs, commit statuses and the runs that have no jobs yet. A log is
stored elsewhere: the link to it needs no token, gets none, and is read to a bound.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from loop_kit.adapters.github import queries
from loop_kit.adapters.github.api import GitHubApi
from loop_kit.adapters.github.attachments import plain_session
from loop_kit.adapters.github.rules import branch_rules, requires_current
from loop_kit.adapters.github.threads import Conversations
from loop_kit.core.checks.log_excerpt import excerpt
from loop_kit.core.checks.reading import Check, CheckState
from loop_kit.core.text.sanitize import one_line, visible
from loop_kit.errors import ForgeUnavailable

JOB_TOKEN_LOGIN = "github-actions[bot]"  # noqa: S105

_MAX_PAGES = 5
_MAX_TEXT = 1500
_MAX_NAME = 200
_PIECE = 64 * 1024
_TAIL = 512 * 1024
_MAX_LOG = 64 * 1024 * 1024
_LOG_SEC = 30.0

_CONCLUSIONS: Mapping[str, CheckState] = {
    **dict.fromkeys(("SUCCESS", "NEUTRAL", "SKIPPED"), "passed"),
    **dict.fromkeys(("FAILURE", "STARTUP_FAILURE", "ACTION_REQUIRED"), "failed"),
    **dict.fromkeys(("CANCELLED", "TIMED_OUT", "STALE"), "cancelled"),
}
_STATUSES: Mapping[str, CheckState] = {
    "SUCCESS": "passed",
    "FAILURE": "failed",
    "ERROR": "failed",
    "PENDING": "pending",
}


class CheckReader:
    """The part of the forge port that reads checks."""

    _api: GitHubApi
    _conversations: Conversations

    def checks(self, sha: str) -> tuple[Check, ...]:
        """All checks and commit statuses of a commit, by one request for each hundred."""
        return read_checks(self._api, sha, self._conversations.take_checks(sha))

    def required_checks(self, branch: str) -> tuple[str, ...]:
        """The names of the checks that rules or classic protection of `branch` require.

        Of the latter those that were read with the pull request.
        """
        classic = (one_line(name, _MAX_NAME) for name in self._conversations.required_on(branch))
        return tuple(dict.fromkeys((*required_checks(self._api, branch), *classic)))

    def requires_current(self, branch: str) -> bool:
        """Whether a rule of `branch` asks that what is merged into it holds its tip."""
        return requires_current(self._api, branch)

    def check_log(self, job: int) -> str:
        """The part of a job's log that shows why it failed."""
        return read_log(self._api, job)

    def starts_checks(self) -> bool:
        """Whether this is the token of an app or a person, and not of a job."""
        return self._api.login() != JOB_TOKEN_LOGIN


def read_checks(
    api: GitHubApi, sha: str, known: Mapping[str, Any] | None = None
) -> tuple[Check, ...]:
    """All checks and commit statuses of a commit, and the runs that wait or could not begin.

    `known` is the first page, where it was asked before.

    Raises:
        ForgeUnavailable: there are more than can be read, and a failed one may be among the rest.
    """
    found: list[Check] = []
    suites: list[Mapping[str, Any]] = []
    after = None
    for _ in range(_MAX_PAGES):
        answer = known or api.query_repository(queries.CHECKS, {"oid": sha, "after": after})
        known = None
        commit = answer.get("object") or {}
        suites = suites or _nodes(commit.get("checkSuites"))
        contexts = (commit.get("statusCheckRollup") or {}).get("contexts") or {}
        found += [each for node in _nodes(contexts) if (each := _check(node)) is not None]
        page = contexts.get("pageInfo") or {}
        after = page.get("endCursor")
        if not (page.get("hasNextPage") and after):
            break
    else:
        raise ForgeUnavailable(
            f"The commit has more checks than the {100 * _MAX_PAGES} that can be read.",
            "Let fewer checks run on it, or set `checks: ignore`.",
        )
    begun = {check.run for check in found if check.run}
    return (*found, *_runs_without_jobs(suites, begun))


def required_checks(api: GitHubApi, branch: str) -> tuple[str, ...]:
    """The names that the active rules of `branch` require."""
    required = (
        each
        for rule in branch_rules(api, branch)
        if rule.get("type") == "required_status_checks"
        for each in (rule.get("parameters") or {}).get("required_status_checks") or []
    )
    return tuple(dict.fromkeys(one_line(each["context"], _MAX_NAME) for each in required))


def read_log(api: GitHubApi, job: int) -> str:
    """The part of a job's log that shows why it failed."""
    link = api.link("actions: read", f"/actions/jobs/{job}/logs")
    return excerpt(_tail(link)) if link else ""


def rerun_failed(api: GitHubApi, run: int) -> None:
    """Run again what failed or was cancelled in a workflow run."""
    api.set("actions: write", "POST", f"/actions/runs/{run}/rerun-failed-jobs")


def _nodes(connection: Any) -> list[Mapping[str, Any]]:
    return [node for node in (connection or {}).get("nodes") or [] if node]


def _check(node: Mapping[str, Any]) -> Check | None:
    """The check of one context; None for one that is only expected."""
    if node["__typename"] == "StatusContext":
        state = _STATUSES.get(node["state"])
        text = visible(node["description"] or "")[:_MAX_TEXT]
        return Check(one_line(node["context"], _MAX_NAME), state, text=text) if state else None
    run = (node["checkSuite"] or {}).get("workflowRun") or {}
    failed = (
        s["name"] for s in _nodes(node["steps"]) if s["conclusion"] in {"FAILURE", "TIMED_OUT"}
    )
    parts = (node["title"], node["summary"])
    return Check(
        name=one_line(node["name"], _MAX_NAME),
        state=_state(node, waits=bool(run)),
        workflow=_file(run),
        run=int(run.get("databaseId") or 0),
        event=str(run.get("event") or ""),
        job=int(node["databaseId"] or 0) if run else 0,
        step=one_line(next(failed, ""), _MAX_NAME),
        text=visible("\n".join(filter(None, parts)))[:_MAX_TEXT],
    )


def _state(node: Mapping[str, Any], *, waits: bool) -> CheckState:
    """The state of a check run; one of a workflow that needs a person has not begun."""
    if node["status"] == "WAITING" or (waits and node["conclusion"] == "ACTION_REQUIRED"):
        return "blocked"
    if node["status"] != "COMPLETED":
        return "pending"
    return _CONCLUSIONS.get(node["conclusion"] or "", "failed")


def _runs_without_jobs(suites: list[Mapping[str, Any]], begun: set[int]) -> Iterator[Check]:
    """The workflow runs of which there is no job, under the names of their workflows."""
    for suite in suites:
        run = suite["workflowRun"]
        if not run or int(run.get("databaseId") or 0) in begun:
            continue
        state = _state(suite, waits=True)
        if state in {"blocked", "pending", "failed"}:
            text = "The workflow could not be started." if state == "failed" else ""
            name = one_line(run["workflow"]["name"], _MAX_NAME)
            number, event = int(run["databaseId"] or 0), str(run["event"])
            yield Check(name, state, _file(run), number, text=text, event=event)


def _file(run: Mapping[str, Any]) -> str:
    """The file of the workflow, from the path of its page."""
    path = str((run.get("workflow") or {}).get("resourcePath") or "")
    return path.rpartition("/")[2]


def _tail(link: str) -> str:
    """The end of a long text at `link`, which is read for a while at most."""
    import requests

    until, size, kept = time.monotonic() + _LOG_SEC, 0, bytearray()
    try:
        with plain_session() as session, session.get(link, stream=True, timeout=15) as reply:
            reply.raise_for_status()
            for piece in reply.iter_content(_PIECE):
                size += len(piece)
                kept += piece
                del kept[:-_TAIL]
                if size > _MAX_LOG or time.monotonic() > until:
                    break
    except requests.RequestException as error:
        raise ForgeUnavailable(
            f"The log cannot be fetched: {type(error).__name__}.", "Look at it on GitHub."
        ) from None
    return kept.decode("utf-8", "replace")
