"""A forge in memory: the fake for its port."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from loop_kit.core.inline import ReviewPost
from loop_kit.core.standing import Label, StatusState
from loop_kit.core.state import Lease
from loop_kit.errors import ForgeRefused
from loop_kit.ports import PullRequest


@dataclass(frozen=True)
class Post:
    """A review or a comment on a pull request."""

    id: str
    author: str
    body: str
    review: str = ""


@dataclass
class MemoryPull:
    """A pull request as the fake forge keeps it."""

    number: int
    head: str
    base: str
    title: str
    body: str
    draft: bool
    is_open: bool = True
    posts: list[Post] = field(default_factory=list)
    comments: list[Post] = field(default_factory=list)
    inline: list[Post] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)


class MemoryForge:
    """A forge that remembers; `me` is the login that posts are made as."""

    me = "github-actions[bot]"

    def __init__(self) -> None:
        self.writers: set[str] = set()
        self.ended_runs: dict[str, tuple[bool, int]] = {}
        self.pulls: list[MemoryPull] = []
        self.dispatches: list[tuple[str, str, dict[str, str]]] = []
        self.drafts_supported = True
        self.pulls_allowed = True
        self.ready_allowed = True
        self.inline_taken = True
        self.statuses: list[tuple[str, str, str]] = []
        self.issue_labels: dict[int, set[str]] = {}
        self._ids = itertools.count(100)

    def may_write(self, login: str) -> bool:
        return login in self.writers

    def run_has_ended(self, lease: Lease) -> bool | None:
        if lease.run_id not in self.ended_runs:
            return None
        ended, attempt = self.ended_runs[lease.run_id]
        return ended or attempt > lease.run_attempt

    def find_pull_request(self, head: str) -> PullRequest | None:
        return next((_shown(p) for p in self.pulls if p.head == head and p.is_open), None)

    def open_pull_request(
        self, head: str, base: str, title: str, body: str, *, draft: bool
    ) -> PullRequest:
        if not self.pulls_allowed:
            raise ForgeRefused("Actions may not open pull requests.", f"compare/{base}...{head}")
        found = self.find_pull_request(head)
        if found is not None:
            return found
        number = len(self.pulls) + 1
        draft = draft and self.drafts_supported
        self.pulls.append(MemoryPull(number, head, base, title, body, draft))
        return _shown(self.pulls[-1])

    def find_post(self, number: int, marker: str) -> str | None:
        pull = self.pulls[number - 1]
        return _found([*pull.posts, *pull.comments], marker, self.me)

    def post_review(self, number: int, sha: str, post: ReviewPost, marker: str) -> str:
        pull, id_ = self.pulls[number - 1], str(next(self._ids))
        taken = self.inline_taken or not post.comments
        pull.posts.append(Post(id_, self.me, post.body if taken else post.whole))
        for comment in post.comments if taken else ():
            pull.inline.append(Post(str(next(self._ids)), self.me, comment.body, review=id_))
        return id_

    def edit_inline(self, number: int, reviews: set[str], bodies: Mapping[str, str]) -> None:
        pull = self.pulls[number - 1]
        pull.inline = [
            replace(post, body=bodies.get(_first(post), post.body))
            if post.review in reviews
            else post
            for post in pull.inline
        ]

    def mark_ready(self, number: int) -> None:
        pull = self.pulls[number - 1]
        if pull.draft and not self.ready_allowed:
            raise ForgeRefused("GitHub answered 400: not accessible.", "contents: write")
        pull.draft = False

    def put_comment(self, number: int, id_: str, body: str, marker: str) -> str:
        comments = self.pulls[number - 1].comments
        for n, post in enumerate(comments):
            if post.id == id_:
                comments[n] = replace(post, body=body)
                return id_
        comments.append(Post(str(next(self._ids)), self.me, body))
        return comments[-1].id

    def set_status(self, sha: str, state: StatusState, said: str, run_id: str) -> None:
        self.statuses.append((sha, state, said))

    def set_label(self, number: int, label: Label | None, others: Collection[str]) -> None:
        known = {pull.number: pull.labels for pull in self.pulls}
        labels = known[number] if number in known else self.issue_labels.setdefault(number, set())
        labels -= set(others)
        if label is not None:
            labels.add(label.name)

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> None:
        self.dispatches.append((workflow, ref, dict(inputs)))


def _shown(pull: MemoryPull) -> PullRequest:
    return PullRequest(pull.number, f"https://forge.test/pull/{pull.number}", MemoryForge.me)


def _first(post: Post) -> str:
    return post.body.partition("\n")[0]


def _found(posts: Sequence[Post], marker: str, author: str) -> str | None:
    return next((p.id for p in posts if (_first(p), p.author) == (marker, author)), None)
