"""What the GitHub stand-in remembers. Whatever git knows is not kept here but asked of git."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tests.support.git_diff import Side
    from tests.support.git_repository import BareRepository

Role = Literal["admin", "maintain", "write", "triage", "read", "none"]
State = Literal["open", "closed"]


def utc_now() -> dt.datetime:
    """Return the time as GitHub keeps it: to the second."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)


@dataclass
class Label:
    """A label that the repository has."""

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(frozen=True)
class Reaction:
    """What somebody feels about a comment."""

    id: int
    login: str
    content: str
    created_at: dt.datetime = field(default_factory=utc_now)


@dataclass
class Comment:
    """A comment in the conversation of an issue or a pull request."""

    id: int
    number: int
    author: str
    body: str
    created_at: dt.datetime = field(default_factory=utc_now)
    updated_at: dt.datetime = field(default_factory=utc_now)
    reactions: list[Reaction] = field(default_factory=list)

    def edit(self, body: str) -> None:
        self.body = body
        self.updated_at = utc_now()


@dataclass
class Issue:
    """An issue, and the half of a pull request that is one."""

    id: int
    number: int
    author: str
    title: str
    body: str | None
    labels: list[str] = field(default_factory=list)
    state: State = "open"
    closed_by: str | None = None
    comments: list[Comment] = field(default_factory=list)
    created_at: dt.datetime = field(default_factory=utc_now)
    updated_at: dt.datetime = field(default_factory=utc_now)
    closed_at: dt.datetime | None = None

    def set_state(self, state: State, by: str) -> None:
        if state == self.state:
            return
        self.state = state
        self.updated_at = utc_now()
        self.closed_at, self.closed_by = (utc_now(), by) if state == "closed" else (None, None)

    def has_label(self, name: str) -> bool:
        return any(name.lower() == label.lower() for label in self.labels)


@dataclass
class ReviewComment:
    """A comment on a line of a diff, as it was when it was made.

    One that answers no other begins a thread, which `resolved_by` belongs to.
    """

    id: int
    review_id: int
    author: str
    body: str
    path: str
    commit: str
    line: int
    side: Side
    start_line: int | None
    start_side: Side | None
    position: int
    excerpt: str
    created_at: dt.datetime = field(default_factory=utc_now)
    reply_to: int | None = None
    resolved_by: str | None = None

    @property
    def node_id(self) -> str:
        return f"PRRC_{self.id}"

    @property
    def thread_id(self) -> str:
        return f"PRRT_{self.reply_to or self.id}"


@dataclass
class Review:
    """A review; a pending one is seen by its author alone."""

    id: int
    author: str
    body: str
    state: str
    commit: str
    comments: list[ReviewComment]
    submitted_at: dt.datetime = field(default_factory=utc_now)

    @property
    def node_id(self) -> str:
        return f"PRR_{self.id}"


@dataclass
class Pull:
    """A pull request; `fork` is the other repository that it comes from, '' once that is gone."""

    issue: Issue
    id: int
    head: str
    base: str
    head_sha: str
    draft: bool
    fork: str | None = None
    reviews: list[Review] = field(default_factory=list)
    merged_at: dt.datetime | None = None
    merged_by: str | None = None
    merge_commit: str | None = None
    auto_merge_method: str | None = None

    @property
    def number(self) -> int:
        return self.issue.number

    @property
    def node_id(self) -> str:
        return f"PR_{self.id}"

    def source(self, repository: str) -> str:
        """Return the repository of its head, when it is a pull request of `repository`."""
        return repository if self.fork is None else self.fork


@dataclass
class Status:
    """A commit status."""

    id: int
    sha: str
    context: str
    state: str
    description: str | None
    target_url: str | None
    creator: str
    created_at: dt.datetime = field(default_factory=utc_now)


@dataclass
class Run:
    """A run of a workflow."""

    id: int
    workflow: str
    head_branch: str
    head_sha: str
    actor: str
    event: str = "workflow_dispatch"
    status: str = "queued"
    conclusion: str | None = None
    run_attempt: int = 1
    created_at: dt.datetime = field(default_factory=utc_now)
    updated_at: dt.datetime = field(default_factory=utc_now)


@dataclass
class CheckRun:
    """A check run of a commit; one of a workflow's job has the run of that.

    `steps` are names with their conclusions; `log` is the job's.
    """

    id: int
    sha: str
    name: str
    status: str = "completed"
    conclusion: str | None = "success"
    run: Run | None = None
    steps: tuple[tuple[str, str | None], ...] = ()
    title: str | None = None
    summary: str | None = None
    log: str = ""


@dataclass(frozen=True)
class Dispatch:
    """A workflow that someone started through the API."""

    repository: str
    workflow: str
    ref: str
    inputs: dict[str, str]
    login: str
    run_id: int


@dataclass
class Artifact:
    """What a run of a workflow has uploaded."""

    id: int
    name: str
    run: int
    content: bytes = b""
    expired: bool = False
    created_at: dt.datetime = field(default_factory=utc_now)


@dataclass
class HostedRepository:
    """One repository with what GitHub knows beyond git, and the switches of its settings."""

    name: str
    git: BareRepository
    id: int
    ids: Iterator[int]
    private: bool = True
    drafts_supported: bool = True
    actions_may_open_pulls: bool = True
    auto_merge_allowed: bool = False
    rules: list[dict[str, Any]] = field(default_factory=list)
    protection: dict[str, tuple[str, ...]] = field(default_factory=dict)
    disabled_workflows: set[str] = field(default_factory=set)
    roles: dict[str, Role] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    statuses: list[Status] = field(default_factory=list)
    runs: dict[int, Run] = field(default_factory=dict)
    check_runs: list[CheckRun] = field(default_factory=list)
    reruns: list[int] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    workflow_ids: dict[str, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    created_at: dt.datetime = field(default_factory=utc_now)

    @property
    def owner(self) -> str:
        return self.name.partition("/")[0]

    @property
    def short_name(self) -> str:
        return self.name.partition("/")[2]

    @property
    def default_branch(self) -> str:
        head = (self.git.path / "HEAD").read_text("ascii").strip()
        return head.removeprefix("ref: refs/heads/")

    def role(self, login: str) -> Role:
        if login == self.owner:
            return "admin"
        return self.roles.get(login, "none" if self.private else "read")

    def open_issue(
        self, author: str, title: str, body: str | None, labels: tuple[str, ...] = ()
    ) -> Issue:
        issue = Issue(next(self.ids), next(self.numbers), author, title, body)
        self.issues[issue.number] = issue
        self.add_labels(issue, labels)
        return issue

    def open_pull(
        self, issue: Issue, head: str, base: str, *, draft: bool, fork: str | None = None
    ) -> Pull:
        pull = Pull(issue, next(self.ids), head, base, self.git.head(head) or "", draft, fork)
        self.pulls[pull.number] = pull
        self.git.git("update-ref", f"refs/pull/{pull.number}/head", pull.head_sha)
        return pull

    def follow(self, pull: Pull) -> Pull:
        """Let an open pull request follow its branch; it closes when the branch is gone."""
        if pull.issue.state == "closed" or pull.fork is not None:
            return pull
        tip = self.git.head(pull.head)
        if tip is None:
            pull.issue.set_state("closed", self.owner)
        elif tip != pull.head_sha:
            pull.head_sha = tip
            pull.issue.updated_at = utc_now()
            self.git.git("update-ref", f"refs/pull/{pull.number}/head", tip)
        return pull

    def open_pull_for(self, head: str, base: str) -> Pull | None:
        for pull in self.pulls.values():
            ends = (pull.head, pull.base, pull.issue.state, pull.fork)
            if ends == (head, base, "open", None):
                return pull
        return None

    def review(
        self,
        pull: Pull,
        author: str,
        body: str = "",
        state: str = "COMMENTED",
        comments: tuple[tuple[str, int, str], ...] = (),
    ) -> Review:
        """Review it as someone would in the browser; comments are a path, a line and a text."""
        review = Review(next(self.ids), author, body, state, pull.head_sha, [])
        review.comments = [
            ReviewComment(
                *(next(self.ids), review.id, author, text, path, pull.head_sha, line, "RIGHT"),
                *(None, None, 1, "@@"),
            )
            for path, line, text in comments
        ]
        pull.reviews.append(review)
        return review

    def answer(self, pull: Pull, begun: ReviewComment, author: str, body: str) -> ReviewComment:
        """Answer in the thread that `begun` began."""
        place = (begun.path, begun.line, body)
        (comment,) = self.review(pull, author, "", comments=(place,)).comments
        comment.reply_to = begun.id
        return comment

    def merge(self, pull: Pull, by: str) -> str:
        message = f"Merge pull request #{pull.number} from {self.owner}/{pull.head}"
        pull.merge_commit = self.git.merge(pull.base, self.follow(pull).head_sha, message)
        pull.issue.set_state("closed", by)
        pull.merged_at, pull.merged_by = utc_now(), by
        return pull.merge_commit

    def comment(self, issue: Issue, author: str, body: str) -> Comment:
        comment = Comment(next(self.ids), issue.number, author, body)
        issue.comments.append(comment)
        issue.updated_at = comment.created_at
        return comment

    def find_comment(self, comment_id: int) -> Comment | None:
        comments = (comment for issue in self.issues.values() for comment in issue.comments)
        return next((comment for comment in comments if comment.id == comment_id), None)

    def label(self, name: str) -> Label:
        """Return the label of this name in any case; one that does not exist is created."""
        key = name.lower()
        if key not in self.labels:
            self.labels[key] = Label(next(self.ids), name)
        return self.labels[key]

    def add_labels(self, issue: Issue, names: tuple[str, ...]) -> None:
        for name in names:
            if not issue.has_label(name):
                issue.labels.append(self.label(name).name)
                issue.updated_at = utc_now()

    def remove_label(self, issue: Issue, name: str) -> bool:
        """Take a label off and tell whether it was there."""
        kept = [label for label in issue.labels if label.lower() != name.lower()]
        removed = len(kept) < len(issue.labels)
        issue.labels = kept
        return removed

    def statuses_of(self, sha: str) -> list[Status]:
        """Return the statuses of a commit, newest first."""
        return [status for status in reversed(self.statuses) if status.sha == sha]

    def workflow_id(self, file: str) -> int:
        return self.workflow_ids.setdefault(file, next(self.ids))

    def workflow_file(self, id_or_file: str) -> str | None:
        """Return the name of the file that an id or a file name stands for."""
        if not id_or_file.isdigit():
            return id_or_file
        known = self.workflow_ids.items()
        return next((file for file, number in known if number == int(id_or_file)), None)

    def require_checks(self, *names: str) -> None:
        """Let the rules of every branch require these checks."""
        parameters = {
            "required_status_checks": [{"context": name} for name in names],
            "strict_required_status_checks_policy": False,
        }
        self.rules.append({"type": "required_status_checks", "parameters": parameters})

    def start_run(self, workflow: str, branch: str, sha: str, actor: str) -> Run:
        run = Run(next(self.ids), workflow, branch, sha, actor)
        self.runs[run.id] = run
        return run
