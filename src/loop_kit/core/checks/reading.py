"""The checks of one commit as a forge shows them, and what they mean together.

Never counted are the runs of our own workflows, and our own status: a loop that waits for itself
waits for ever. Nor is a run that a comment or another event of anybody's has started: a stranger
would decide what the loop has to fix. What runs on `pull_request_target` counts, since the pull
request is ours, and others need a right to start it. A run that waits for a person's click is not
pending: nothing that the loop does makes it start.
"""

from collections.abc import Collection, Iterable
from typing import Literal

from loop_kit.frozen import frozen

OWN_NAME = "loop-kit"
"""The context of our own commit status."""

CheckState = Literal["passed", "failed", "cancelled", "pending", "blocked"]
"""`cancelled` includes a check that timed out; `blocked` waits for a person's click."""

STRANGERS_EVENTS = frozenset(
    {
        *("pull_request_review", "pull_request_review_comment", "pull_request_comment"),
        *("pull_request_review_thread", "issue_comment", "issues", "commit_comment"),
        *("discussion", "discussion_comment", "fork", "watch", "star", "gollum"),
    }
)
"""The events that anybody can cause who may read a public repository."""

PUSH_EVENTS = frozenset({"push", "pull_request", "pull_request_target", "merge_group", "dynamic"})
"""The events that come with each new head; `dynamic` is for workflows that GitHub sets up."""

MAX_NAMES = 100
"""How many names of checks are remembered and listed."""


@frozen
class Check:
    """One check or commit status; `text` is what it says itself, untrusted as everything here.

    Attributes:
        workflow: The file of the workflow that it is a job of, '' for another one.
        run: The run of that workflow, 0 for none.
        job: The job whose log there is; 0 for none, as for a run that has no jobs yet.
        step: The step that failed.
        log: The part of its log that shows the failure.
        event: The event that started the run of its workflow, '' for none.
    """

    name: str
    state: CheckState
    workflow: str = ""
    run: int = 0
    job: int = 0
    step: str = ""
    text: str = ""
    log: str = ""
    event: str = ""


@frozen
class Summary:
    """The checks that count, sorted by what they mean.

    Attributes:
        names: Those of the jobs and statuses that come with each head.
        missing: The expected ones of which there is nothing on this commit.
        blocked: The names of those that wait for a person's click.
    """

    names: tuple[str, ...] = ()
    passed: int = 0
    failed: tuple[Check, ...] = ()
    cancelled: tuple[Check, ...] = ()
    pending: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def counted(checks: Iterable[Check], own_workflows: Collection[str]) -> tuple[Check, ...]:
    """The checks without our own ones and those that a stranger may have started."""
    return tuple(
        check
        for check in checks
        if check.workflow not in own_workflows
        and check.name != OWN_NAME
        and check.event not in STRANGERS_EVENTS
    )


def summarize(checks: Iterable[Check], expected: Iterable[str] = ()) -> Summary:
    """What the `checks` that count mean, where those named `expected` are to be among them."""
    known = tuple(checks)
    names = tuple(dict.fromkeys(check.name for check in known))
    return Summary(
        names=tuple(dict.fromkeys(c.name for c in known if _comes_with_head(c)))[:MAX_NAMES],
        passed=sum(check.state == "passed" for check in known),
        failed=tuple(check for check in known if check.state == "failed"),
        cancelled=tuple(check for check in known if check.state == "cancelled"),
        pending=_named(known, "pending"),
        blocked=_named(known, "blocked"),
        missing=tuple(name for name in dict.fromkeys(expected) if name not in names),
    )


def _comes_with_head(check: Check) -> bool:
    """Whether it is to be expected on the next head as well."""
    return not check.run or bool(check.job and check.event in {"", *PUSH_EVENTS})


def _named(checks: Iterable[Check], state: CheckState) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check.name for check in checks if check.state == state))
