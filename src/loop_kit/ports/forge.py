"""The port of the forge: what is asked of GitHub, and what is posted there."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from loop_kit.core.inline import ReviewPost
from loop_kit.core.standing import Label, StatusState
from loop_kit.core.state import Lease


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request on the forge; `author` is the login that opened it."""

    number: int
    url: str
    author: str = ""


class Forge(Protocol):
    """The forge's API.

    Every method raises `ForgeRefused` when the answer is a final no, and `ForgeUnavailable` when
    there is none after some patience.
    """

    def may_write(self, login: str) -> bool:
        """Whether this person's permission on the repository is write or more."""
        ...

    def run_has_ended(self, lease: Lease) -> bool | None:
        """Whether the run that holds `lease` is over; None when the API cannot tell."""
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

    def post_review(self, number: int, sha: str, post: ReviewPost, marker: str) -> str:
        """Post a review without a verdict, whole where its comments are not taken; its id."""
        ...

    def edit_inline(self, number: int, reviews: set[str], bodies: Mapping[str, str]) -> None:
        """Replace the inline comments of `reviews` that begin with one of the keys, markers."""
        ...

    def mark_ready(self, number: int) -> None:
        """End the draft; nothing when it is none."""
        ...

    def put_comment(self, number: int, id_: str, body: str, marker: str) -> str:
        """Replace the body of our comment `id_`, or post one where there is none; its id."""
        ...

    def set_status(self, sha: str, state: StatusState, said: str, run_id: str) -> None:
        """Set the commit status of the loop, at most 140 characters, with a link to the run."""
        ...

    def set_label(self, number: int, label: Label | None, others: Collection[str]) -> None:
        """Put `label` on a pull request or an issue, and take `others` off."""
        ...

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> None:
        """Start the workflow that runs the next round."""
        ...
