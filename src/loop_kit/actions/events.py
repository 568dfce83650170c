"""Turns the event of a job into what it asks of us.

An event is outside text: whoever can name a branch, write an issue or fork the repository has a
say in it. What reaches git or the API is checked here, once. What is not asked of us at all ends
the job green with one line; what is asked and must not be done is refused with what to do instead.
The title and the body that count are those of the event, which the person saw who put the label
on: an edit between that moment and the job changes nothing.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from loop_kit.adapters.runner.job import BOT, Job, at, is_allowed_bot, is_bot, require_trusted_ref
from loop_kit.core.card.task import check_task_id
from loop_kit.core.ci.branches import task_of
from loop_kit.core.ci.requests import (
    DEFAULT_CARD,
    ChecksEnded,
    Comment,
    NotForUs,
    PullFacts,
    PushedCards,
    Request,
    Resume,
    StartFile,
    StartIssue,
    StartPull,
    SweepAll,
    check_pull,
    is_branch_name,
    is_no_commit,
    is_sha,
    is_under,
)
from loop_kit.core.loop.commands import read_command
from loop_kit.core.record import clean_text
from loop_kit.core.text.sanitize import MAX_BODY, one_line
from loop_kit.errors import BadSetting, BranchRefused, ForgeRefused
from loop_kit.frozen import frozen
from loop_kit.settings import Settings

_MAX_TITLE = 1_000
_MAX_NUMBER = 2**63
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def read_request(job: Job, payload: Mapping[str, Any], settings: Settings) -> Request:
    """What the event of `job` asks of us; `payload` is what `trigger.read_payload` found.

    Raises:
        BadSetting: inputs contradict each other, or the event is damaged.
        BranchRefused: the job or the pull request is on one of the loop's own branches.
        ForgeRefused: the pull request comes from a fork, or nobody is named who asked.
    """
    later = settings.phase in {"agents", "publish"}
    reader = _read_later_phase if later else _READERS.get(job.event)
    if reader is None:
        return NotForUs(f"The event {_printable(job.event)} is not one this action acts on.")
    require_trusted_ref(job, settings.branch_prefix)
    request = reader(_Event(job, payload, settings))
    if not job.people and not isinstance(request, NotForUs | SweepAll):
        raise ForgeRefused(
            "The event does not say who sent it.",
            "Start the loop by hand.",
            anchor="not-allowed-to-start",
        )
    return request


@frozen
class _Event:
    """An event with what it is read against."""

    job: Job
    payload: Mapping[str, Any]
    settings: Settings

    @property
    def action(self) -> str:
        """What happened, in the forge's word, or ''."""
        found = at(self.payload, "action")
        return found if isinstance(found, str) else ""

    def text(self, *path: str, limit: int = MAX_BODY + 1) -> str:
        """Text that can be stored and posted; a body over every limit stays over it."""
        found = at(self.payload, *path)
        return clean_text(found[:limit]) if isinstance(found, str) else ""

    def number(self, *path: str) -> int:
        """A number of the forge, above 0."""
        found = at(self.payload, *path)
        if not isinstance(found, int) or isinstance(found, bool) or not 0 < found < _MAX_NUMBER:
            raise self.error_for(*path)
        return found

    def sha(self, *path: str, or_none: bool = False) -> str:
        """The full name of a commit, or with `or_none` the zeros that stand for none."""
        found = at(self.payload, *path)
        if not isinstance(found, str) or not is_sha(found):
            raise self.error_for(*path)
        if is_no_commit(found) and not or_none:
            raise self.error_for(*path)
        return found

    def branch(self, *path: str) -> str:
        """The name of a branch."""
        found = at(self.payload, *path)
        if not isinstance(found, str) or not is_branch_name(found):
            raise self.error_for(*path)
        return found

    def repository(self, *path: str) -> str:
        """A repository as "owner/name", or '' where it is gone."""
        found = at(self.payload, *path)
        return found if isinstance(found, str) and _REPOSITORY.fullmatch(found) else ""

    def error_for(self, *path: str) -> BadSetting:
        """The error for an event without something that every such event has."""
        return BadSetting(
            f"The event {self.job.event} holds no usable {'.'.join(path)}.",
            "Trigger the loop again, or start it by hand.",
            anchor="event-unusable",
        )


# --- started by hand, by a continuation or by the clock --------------------------------------


def _read_dispatch(event: _Event) -> Request:
    settings = event.settings
    card = "" if settings.task == DEFAULT_CARD else settings.task
    asked = {
        "task": card,
        "task-id": settings.task_id,
        "issue": settings.issue,
        "pull-request": settings.pull_request,
    }
    given = [name for name, value in asked.items() if value]
    if len(given) > 1:
        raise BadSetting(
            f"The inputs {' and '.join(given)} ask for different loops.",
            "Give one of them.",
            anchor="inputs-contradict",
        )
    if settings.task_id:
        return Resume(_task_id(settings), settings.round, settings.expected_state)
    if settings.round is not None or settings.expected_state is not None:
        raise BadSetting(
            "The inputs round and expected-state belong to a loop that is continued.",
            "Give its task-id too, or leave them empty.",
            anchor="inputs-contradict",
        )
    if settings.issue:
        return StartIssue(settings.issue, "", None, labelled=False)
    if settings.pull_request:
        return StartPull(settings.pull_request, None, labelled=False)
    return StartFile(card or DEFAULT_CARD)


def _read_later_phase(event: _Event) -> Request:
    """A later phase works on what the phase `claim` of the same run has claimed."""
    return Resume(_task_id(event.settings), None, None)


def _task_id(settings: Settings) -> str:
    if not settings.task_id:
        raise BadSetting(
            f"The input task-id is empty in the phase {settings.phase}.",
            "Pass the output task-id of the phase claim.",
            anchor="inputs-contradict",
        )
    try:
        return check_task_id(settings.task_id)
    except ValueError as error:
        raise BadSetting(
            f"The input task-id {error}.", "Give an id such as T-001.", anchor="task-id-invalid"
        ) from None


def _read_schedule(_event: _Event) -> Request:
    return SweepAll()


# --- labels ----------------------------------------------------------------------------------


def _read_issue_label(event: _Event) -> Request:
    why = _other_label(event)
    if why:
        return NotForUs(why)
    if at(event.payload, "issue", "pull_request") is not None:
        return NotForUs("The issue is a pull request, whose label is an event of its own.")
    number = event.number("issue", "number")
    if at(event.payload, "issue", "state") != "open":
        return NotForUs(f"The issue #{number} is not open.")
    title = event.text("issue", "title", limit=_MAX_TITLE)
    return StartIssue(number, title, event.text("issue", "body"), labelled=True)


def _read_pull_label(event: _Event) -> Request:
    why = _other_label(event)
    if why:
        return NotForUs(why)
    number = event.number("pull_request", "number")
    if at(event.payload, "pull_request", "state") != "open":
        return NotForUs(f"The pull request #{number} is not open.")
    facts = PullFacts(
        number=number,
        title=event.text("pull_request", "title", limit=_MAX_TITLE),
        body=event.text("pull_request", "body"),
        head=event.branch("pull_request", "head", "ref"),
        head_sha=event.sha("pull_request", "head", "sha"),
        head_repository=event.repository("pull_request", "head", "repo", "full_name"),
        base=event.branch("pull_request", "base", "ref"),
        url=f"{event.job.server_url}/{event.job.repository}/pull/{number}",
        is_open=True,
        merged=False,
    )
    check_pull(facts, event.job.repository, event.settings.branch_prefix)
    return StartPull(number, facts, labelled=True)


def _other_label(event: _Event) -> str:
    """Why the event is not the one of our label being put on, or ''."""
    if event.action != "labeled":
        action = _printable(event.action)
        return f"Only a label starts a loop: {event.job.event} {action} is not one."
    label = event.text("label", "name", limit=_MAX_TITLE)
    wanted = event.settings.trigger_label
    if label.strip().casefold() != wanted.strip().casefold():
        return f"The label {one_line(label, 60)!r} is not {one_line(wanted, 60)!r}."
    return ""


# --- comments --------------------------------------------------------------------------------


def _read_comment(event: _Event) -> Request:
    if event.action != "created":
        return NotForUs(f"Only a new comment is read: this one was {_printable(event.action)}.")
    job = event.job
    number = event.number("comment", "id")
    made = event.text("comment", "created_at", limit=40)
    made = made if _TIME.fullmatch(made) else ""
    command = read_command(event.text("comment", "body"), number, by=job.sender, at=made)
    if command is None:
        return NotForUs("The comment has no /loop command on its first line.")
    author = event.text("comment", "user", "login", limit=_MAX_TITLE)
    if author.lower() != job.sender.lower():
        return NotForUs("The comment is not by the account that sent the event.")
    is_program = job.sender_type == "Bot" or is_bot(author, at(event.payload, *_AUTHOR_TYPE))
    if author == BOT or (is_program and not is_allowed_bot(author, event.settings.allowed_bots)):
        return NotForUs(f"The comment is by the bot {author}, which may not command.")
    return Comment(
        id=number,
        number=event.number("issue", "number"),
        on_pull=at(event.payload, "issue", "pull_request") is not None,
        command=command,
        title=event.text("issue", "title", limit=_MAX_TITLE),
        body=event.text("issue", "body"),
    )


# --- pushes ----------------------------------------------------------------------------------


def _read_push(event: _Event) -> Request:
    ref = at(event.payload, "ref")
    if not isinstance(ref, str) or not ref.startswith("refs/heads/"):
        return NotForUs("The push is not one of a branch.")
    branch = ref.removeprefix("refs/heads/")
    if is_under(branch, event.settings.branch_prefix):
        raise BranchRefused(
            f"The push is one of the loop's own branch {one_line(branch, 100)}.",
            "Limit `on: push` to the default branch.",
            anchor="run-from-a-loop-branch",
        )
    if not is_branch_name(event.job.default_branch):
        raise event.error_for("repository", "default_branch")
    if branch != event.job.default_branch:
        return NotForUs(f"The push is to {one_line(branch, 100)}, not to the default branch.")
    if event.settings.task:
        return _read_dispatch(event)
    after = event.sha("after", or_none=True)
    if at(event.payload, "deleted") is True or is_no_commit(after):
        return NotForUs("The push deleted a branch.")
    return PushedCards(before=event.sha("before", or_none=True), after=after, ref=ref)


# --- checks ----------------------------------------------------------------------------------

_MAX_PULLS = 5


def _read_workflow_run(event: _Event) -> Request:
    """The end of a workflow; one of a fork, or of the loop's own workflow, is not for us."""
    run = "workflow_run"
    if event.action != "completed":
        return NotForUs("Only the end of a workflow is read.")
    source = event.repository(run, "head_repository", "full_name")
    if source.lower() != event.job.repository.lower():
        return NotForUs("The workflow ran on a commit of another repository.")
    file = event.text(run, "path", limit=_MAX_TITLE).partition("@")[0].rpartition("/")[2]
    if file == event.job.workflow:
        return NotForUs("The workflow is the one that runs the loop.")
    branch = at(event.payload, run, "head_branch")
    if not isinstance(branch, str) or not is_branch_name(branch):
        return NotForUs("The workflow ran on no branch.")
    pulls = at(event.payload, run, "pull_requests")
    numbers = [at(pull, "number") for pull in pulls] if isinstance(pulls, list) else []
    return ChecksEnded(
        head_sha=event.sha(run, "head_sha"),
        branch=branch,
        task_id=task_of(branch, event.settings.branch_prefix),
        pulls=tuple(n for n in numbers if type(n) is int and 0 < n < _MAX_NUMBER)[:_MAX_PULLS],
    )


def _printable(word: str) -> str:
    return one_line(word, 60) or "(none)"


_AUTHOR_TYPE = ("comment", "user", "type")
_READERS: Mapping[str, Callable[[_Event], Request]] = {
    "workflow_dispatch": _read_dispatch,
    "issues": _read_issue_label,
    "pull_request": _read_pull_label,
    "issue_comment": _read_comment,
    "push": _read_push,
    "schedule": _read_schedule,
    "workflow_run": _read_workflow_run,
}
