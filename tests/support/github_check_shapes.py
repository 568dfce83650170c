"""What GitHub's GraphQL shows of the checks of a commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.github_graphql_shapes import connection
from tests.support.github_shapes import Json

if TYPE_CHECKING:
    from tests.support.github_state import CheckRun, HostedRepository, Run, Status


@dataclass(frozen=True)
class CheckShapes:
    """Shapes of one repository; `require_checks` refuses whoever may not read its checks."""

    repository: HostedRepository
    require_checks: Callable[[], None]

    def commit(self, sha: str) -> Json:
        return {
            "__typename": "Commit",
            "oid": sha,
            "statusCheckRollup": lambda _info: self.rollup(sha),
            "checkSuites": lambda _info, **page: self.suites(sha, **page),
        }

    def rollup(self, sha: str) -> Json | None:
        """The check runs and the last status of each context; null where there is neither."""
        self.require_checks()
        runs = [self.check_run(run) for run in self.repository.check_runs if run.sha == sha]
        latest: dict[str, Status] = {}
        for status in self.repository.statuses_of(sha):
            latest.setdefault(status.context, status)
        nodes = [*runs, *map(status_context, latest.values())]
        return {"contexts": lambda _info, **page: paged(nodes, **page)} if nodes else None

    def suites(self, sha: str, **page: Any) -> Json:
        self.require_checks()
        runs = (run for run in self.repository.runs.values() if run.head_sha == sha)
        return connection("checkSuites", map(self.suite, runs), **page)

    def suite(self, run: Run) -> Json:
        return {
            "status": run.status.upper(),
            "conclusion": run.conclusion and run.conclusion.upper(),
            "workflowRun": self.workflow_run(run),
        }

    def workflow_run(self, run: Run) -> Json:
        path = f"/{self.repository.name}/actions/workflows/{run.workflow}"
        name = run.workflow.partition(".")[0]
        workflow = {"name": name, "resourcePath": path}
        return {"databaseId": run.id, "event": run.event, "workflow": workflow}

    def check_run(self, check: CheckRun) -> Json:
        steps = [
            {"name": name, "conclusion": conclusion and conclusion.upper()}
            for name, conclusion in check.steps
        ]
        return {
            "__typename": "CheckRun",
            "databaseId": check.id,
            "name": check.name,
            "status": check.status.upper(),
            "conclusion": check.conclusion and check.conclusion.upper(),
            "title": check.title,
            "summary": check.summary,
            "steps": lambda _info, **page: connection("steps", steps, **page),
            "checkSuite": {"workflowRun": self.workflow_run(check.run) if check.run else None},
        }


def status_context(status: Status) -> Json:
    return {
        "__typename": "StatusContext",
        "context": status.context,
        "state": status.state.upper(),
        "description": status.description,
    }


def paged(nodes: Iterable[Json], after: str | None = None, **page: Any) -> Json:
    """One page of a list; a cursor is the number of the last node that was shown."""
    every, begin = list(nodes), int(after or 0)
    shown = connection("contexts", every[begin:], **page)
    end = begin + len(shown["nodes"])
    info = {"hasNextPage": end < len(every), "endCursor": str(end)}
    return {**shown, "totalCount": len(every), "pageInfo": info}
