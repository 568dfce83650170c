"""The port of the forge: what is asked of GitHub, and what is posted there."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from loop_kit.core.loop.state import Lease
from loop_kit.frozen import frozen

if TYPE_CHECKING:
    from loop_kit.core.checks.reading import Check
    from loop_kit.core.ci.requests import PullFacts
    from loop_kit.core.forge.inline_comments import ReviewPost
    from loop_kit.core.forge.status import Label, StatusState
    from loop_kit.core.loop.conversation import Conversation
    from loop_kit.core.loop.run_ends import RunStatus

Reaction = Literal["eyes", "+1", "confused"]


@frozen
class PullRequest:
    """A pull request on the forge; `author` is the login that opened it."""

    number: int
    url: str
    author: str = ""


@frozen
class Issue:
    """An issue as it is now; `labels` are names.

    `closed_at` is UTC as YYYY-MM-DDTHH:MM:SSZ, '' while it is open.
    """

    number: int
    title: str
    body: str
    is_open: bool
    labels: tuple[str, ...] = ()
    closed_at: str = ""


@frozen
class OpenStatus:
    """Whether the loop's issue and pull request are open; None where it was not asked for.

    `labels` are those of the issue, or of the pull request when there is no issue.
    """

    issue_open: bool | None = None
    pull_open: bool | None = None
    pull_merged: bool | None = None
    labels: frozenset[str] = frozenset()


class ThreadUpdate(NamedTuple):
    """What the comment that began one of our threads is to be, and whether that is resolved."""

    body: str
    resolved: bool


class Forge(Protocol):
    """The forge's API.

    Every method raises `ForgeRefused` when the answer is a final no, and `ForgeUnavailable` when
    there is none after retries.
    """

    @property
    def page(self) -> str:
        """The web page of the repository, without a slash at its end."""
        ...

    def may_write(self, login: str) -> bool:
        """Whether this person's permission on the repository is write or more."""
        ...

    def run_status(self, lease: Lease) -> "RunStatus | None":
        """The run that holds `lease`; None when the API does not know it, or may not say.

        Of an attempt that was followed by another one it is only known that it has ended.
        """
        ...

    def has_artifact(self, run_id: str, name: str) -> bool:
        """Whether a run has an artifact of this name; False where the API may not say."""
        ...

    def issue(self, number: int) -> Issue | None:
        """The issue, or None if there is none of that number; a pull request is not one."""
        ...

    def pull(self, number: int) -> "PullFacts | None":
        """The pull request, or None if there is none of that number."""
        ...

    def newest_pull(self, head: str) -> "PullFacts | None":
        """The newest pull request from branch `head` of this repository, open or not.

        A branch of that name in a fork is another. `closes` is not looked up: it is None.
        """
        ...

    def open_status(self, issue: int | None, pull: int | None) -> OpenStatus:
        """Whether an issue and a pull request are open, in one request; what does not exist is not.

        A repository that cannot be seen is a refusal, never taken for closed.
        """
        ...

    def merge_base(self, base: str, head: str) -> str:
        """The merge base of two branches or commits; refused when one does not exist."""
        ...

    def checks(self, sha: str) -> "tuple[Check, ...]":
        """All checks and commit statuses of a commit, and the runs that wait for a click."""
        ...

    def required_checks(self, branch: str) -> tuple[str, ...]:
        """The names of the checks that the active rules of `branch` require."""
        ...

    def check_log(self, job: int) -> str:
        """The part of a job's log that shows why it failed."""
        ...

    def starts_checks(self) -> bool:
        """Whether what is pushed with this token starts checks; a job's own token does not."""
        ...

    def rerun(self, run: int) -> None:
        """Run again the jobs of a workflow run that failed or were cancelled."""
        ...

    def requires_current(self, branch: str) -> bool:
        """Whether a rule of `branch` asks that what is merged into it holds its tip."""
        ...

    def loop_of(self, number: int) -> str:
        """The task id in the marker of our newest comment on `number`, or ''."""
        ...

    def react(self, comment: int, content: Reaction) -> None:
        """React to a comment; no effect when it was deleted or reactions are not allowed."""
        ...

    def find_pull_request(self, head: str) -> PullRequest | None:
        """The open pull request from branch `head`."""
        ...

    def open_pull_request(
        self, head: str, base: str, title: str, body: str, *, draft: bool
    ) -> PullRequest:
        """Open one; not as a draft where drafts are not supported."""
        ...

    def find_post(self, number: int, marker: str) -> str | None:
        """The id of our review or comment that carries `marker`, searched over all pages."""
        ...

    def post_review(self, number: int, sha: str, post: "ReviewPost", marker: str) -> str:
        """Post a review without a verdict; returns its id.

        Where its comments are not accepted, the complete body is posted instead.
        """
        ...

    def update_threads(
        self, number: int, reviews: set[str], updates: Mapping[str, ThreadUpdate], *, resolves: bool
    ) -> str | None:
        """Update the threads that comments of `reviews` began with one of the keys, markers.

        All in one request that changes anything. With `resolves` the threads are resolved and
        opened again too; returns why the token may not do that, or None. The comments are updated
        all the same.
        """
        ...

    def read_pull(
        self,
        number: int,
        issue: int | None,
        reviews: Collection[str],
        seen: Collection[int] = (),
        commit: str = "",
    ) -> "tuple[OpenStatus, Conversation]":
        """What `open_status` says, and what people with write access wrote in reviews.

        In one request, and more only where strangers have written very much since the texts that
        were `seen`. `reviews` are those that we have posted: in their conversations, what people
        write is about a finding. The checks of a `commit` are asked along, where the token may:
        the next `checks` of it then takes no request.
        """
        ...

    def newest_reviews(self, numbers: Collection[int]) -> Mapping[int, tuple[int, ...]]:
        """The newest reviews by people with write access on each, in one request for all."""
        ...

    def find_reply(self, number: int, marker: str) -> str | None:
        """The id of our review comment that begins with `marker`."""
        ...

    def reply(self, number: int, thread: str, body: str, marker: str) -> str:
        """Answer in a conversation on a line of the diff; returns the id of the comment."""
        ...

    def mark_ready(self, number: int) -> None:
        """End the draft; no effect when it is not one."""
        ...

    def submit_verdict(
        self, number: int, sha: str, body: str, marker: str, *, approves: bool
    ) -> str:
        """Approve a pull request, or request changes, by the reviewer's own token; the review's id.

        Refused where there is no such token, or its owner has opened the pull request.
        """
        ...

    def enable_auto_merge(self, number: int, sha: str, issue: int | None) -> str | None:
        """Have the forge merge a pull request at `sha` when its rules are satisfied.

        The reason, in a sentence or two, where people merge it; the labels of `issue` count too.
        """
        ...

    def put_comment(self, number: int, id_: str, body: str, marker: str) -> str:
        """Replace the body of our comment `id_`, or post a new one; returns its id."""
        ...

    def edit_comment(self, id_: str, body: str) -> bool:
        """Replace the body of our comment `id_`; whether there is one."""
        ...

    def find_issue(self, marker: str) -> str | None:
        """The number of our issue that begins with `marker`, searched among our newest."""
        ...

    def post_issue(self, title: str, body: str, marker: str) -> str:
        """Open an issue; returns its number."""
        ...

    def set_status(self, sha: str, state: "StatusState", description: str, run_id: str) -> None:
        """Set the commit status of the loop, at most 140 characters, with a link to the run."""
        ...

    def set_label(self, number: int, label: "Label | None", others: Collection[str]) -> None:
        """Put `label` on a pull request or an issue, and take `others` off."""
        ...

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> None:
        """Start the workflow that runs the next round."""
        ...
