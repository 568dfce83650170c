"""A forge in memory: the fake for its port."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from loop_kit.core.checks.log_excerpt import excerpt
from loop_kit.core.checks.reading import Check
from loop_kit.core.ci.requests import PullFacts
from loop_kit.core.forge.inline_comments import ReviewPost
from loop_kit.core.forge.render import begins_with, finding_of, read_marker
from loop_kit.core.forge.status import Label, StatusState
from loop_kit.core.forge.verdict import PEOPLE_MERGE
from loop_kit.core.loop.conversation import Conversation, PersonPost, ReviewState
from loop_kit.core.loop.run_ends import RunStatus
from loop_kit.core.loop.state import Lease
from loop_kit.errors import ForgeRefused, LoopError
from loop_kit.ports import PullRequest
from loop_kit.ports.forge import Issue, OpenStatus, Reaction, ThreadUpdate

FIRST_ISSUE = 1001


@dataclass(frozen=True)
class Post:
    """A review or a comment on a pull request."""

    id: str
    author: str
    body: str
    review: str = ""
    resolved: bool = False
    thread: str = ""


@dataclass
class MemoryIssue:
    """An issue as the fake forge keeps it."""

    number: int
    title: str
    body: str
    is_open: bool = True
    comments: list[Post] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    author: str = "mona"


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
    merged: bool = False
    closed_at: str = ""
    head_sha: str = "0" * 40
    head_repository: str = "octo/demo"
    verdicts: list[str] = field(default_factory=list)
    auto_merge: bool = False
    judged: list[str] = field(default_factory=list)
    merges_at: str = ""
    people: list[PersonPost] = field(default_factory=list)
    resolved: set[int] = field(default_factory=set)

    def close(self, *, merged: bool = False, at: str = "2026-01-01T00:00:00Z") -> None:
        """Close it, with or without merging; `at` is UTC."""
        self.is_open, self.merged, self.closed_at = False, merged, at


class MemoryForge:
    """A forge that remembers; `me` is the login that posts are made as.

    Pull requests are numbered from 1 and issues from 1001, `merge_bases` are those of pairs.
    """

    me = "github-actions[bot]"
    repository = "octo/demo"
    page = "https://forge.test/octo/demo"

    def __init__(self) -> None:
        self.writers: set[str] = set()
        self.runs: dict[str, tuple[RunStatus, int]] = {}
        self.artifacts: set[tuple[str, str]] = set()
        self.pulls: list[MemoryPull] = []
        self.dispatches: list[tuple[str, str, dict[str, str]]] = []
        self.drafts_supported = True
        self.pulls_allowed = True
        self.ready_allowed = True
        self.resolving_allowed = True
        self.inline_taken = True
        self.reviewer: str | None = None
        self.people_merge: str | None = None
        self.statuses: list[tuple[str, str, str]] = []
        self.issues: dict[int, MemoryIssue] = {}
        self.merge_bases: dict[tuple[str, str], str] = {}
        self.current: set[str] = set()
        self.reactions: list[tuple[int, Reaction]] = []
        self.commit_checks: dict[str, tuple[Check, ...]] = {}
        self.every_commit: tuple[Check, ...] = ()
        self.required: dict[str, tuple[str, ...]] = {}
        self.logs: dict[int, str] = {}
        self.reruns: list[int] = []
        self.readings: list[str] = []
        self.unread: LoopError | None = None
        self.edits: list[str] = []
        self.left_unread: tuple[str, ...] = ()
        self.seen: set[int] = set()
        self._ids = itertools.count(100)

    def open_issue(self, title: str, body: str = "", *labels: str) -> MemoryIssue:
        """What a person does; not part of the port."""
        number = FIRST_ISSUE + len(self.issues)
        self.issues[number] = MemoryIssue(number, title, body, labels=set(labels))
        return self.issues[number]

    def comment(self, number: int, login: str, body: str) -> int:
        """What a person does; the id of the comment."""
        made = Post(str(next(self._ids)), login, body)
        self._thing(number).comments.append(made)
        return int(made.id)

    def may_write(self, login: str) -> bool:
        return login in self.writers

    def run_status(self, lease: Lease) -> RunStatus | None:
        if lease.run_id not in self.runs:
            return None
        status, attempt = self.runs[lease.run_id]
        return RunStatus(ended=True) if attempt > lease.run_attempt else status

    def has_artifact(self, run_id: str, name: str) -> bool:
        return (run_id, name) in self.artifacts

    def issue(self, number: int) -> Issue | None:
        found = self.issues.get(number)
        if found is None:
            return None
        return Issue(number, found.title, found.body, found.is_open, tuple(sorted(found.labels)))

    def pull(self, number: int) -> PullFacts | None:
        found = self._pull(number)
        return _facts(found, self._closes(found)) if found else None

    def newest_pull(self, head: str) -> PullFacts | None:
        ends = (head, self.repository)
        ours = [p for p in self.pulls if (p.head, p.head_repository) == ends]
        return _facts(ours[-1], None) if ours else None

    def open_status(self, issue: int | None, pull: int | None) -> OpenStatus:
        of_issue = self.issues.get(issue or 0)
        of_pull = self._pull(pull or 0)
        shown = of_pull if issue is None else of_issue
        return OpenStatus(
            issue_open=None if issue is None else bool(of_issue and of_issue.is_open),
            pull_open=None if pull is None else bool(of_pull and of_pull.is_open),
            pull_merged=None if pull is None else bool(of_pull and of_pull.merged),
            labels=frozenset(shown.labels if shown else ()),
        )

    def merge_base(self, base: str, head: str) -> str:
        try:
            return self.merge_bases[base, head]
        except KeyError:
            raise ForgeRefused("GitHub answered 404: Not Found", "Look.") from None

    def checks(self, sha: str) -> tuple[Check, ...]:
        self.readings.append(sha)
        if self.unread is not None:
            raise self.unread
        return self.commit_checks.get(sha, self.every_commit)

    def required_checks(self, branch: str) -> tuple[str, ...]:
        return self.required.get(branch, ())

    def check_log(self, job: int) -> str:
        return excerpt(self.logs[job])

    def starts_checks(self) -> bool:
        return self.me != "github-actions[bot]"

    def rerun(self, run: int) -> None:
        self.reruns.append(run)

    def requires_current(self, branch: str) -> bool:
        return branch in self.current

    def loop_of(self, number: int) -> str:
        thing = self.issues.get(number) or self._pull(number)
        ours = [post for post in thing.comments if post.author == self.me] if thing else []
        marked = [found for post in ours if (found := read_marker(post.body))]
        return marked[-1].task_id if marked else ""

    def react(self, comment: int, content: Reaction) -> None:
        talks = [thing.comments for thing in self.issues.values()]
        talks += [pull.comments for pull in self.pulls]
        if any(post.id == str(comment) for talk in talks for post in talk):
            self.reactions.append((comment, content))

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
        thing = self._thing(number)
        posts = thing.posts if isinstance(thing, MemoryPull) else []
        us = filter(None, (self.me, self.reviewer))
        found = (_found([*posts, *thing.comments], marker, login) for login in us)
        return next(filter(None, found), None)

    def post_review(self, number: int, sha: str, post: ReviewPost, marker: str) -> str:
        pull, id_ = self.pulls[number - 1], str(next(self._ids))
        taken = self.inline_taken or not post.comments
        pull.posts.append(Post(id_, self.me, post.body if taken else post.whole))
        for comment in post.comments if taken else ():
            pull.inline.append(Post(str(next(self._ids)), self.me, comment.body, review=id_))
        return id_

    def update_threads(
        self, number: int, reviews: set[str], updates: Mapping[str, ThreadUpdate], *, resolves: bool
    ) -> str | None:
        pull, refused = self.pulls[number - 1], None
        for n, post in enumerate(pull.inline):
            wanted = updates.get(_first(post)) if post.review in reviews else None
            if wanted is None:
                continue
            asked = resolves and post.resolved != wanted.resolved
            if asked and not self.resolving_allowed:
                asked, refused = False, "Resource not accessible by integration"
            resolved = wanted.resolved if asked else post.resolved
            pull.inline[n] = replace(post, body=wanted.body, resolved=resolved)
        return refused

    def read_pull(
        self,
        number: int,
        issue: int | None,
        reviews: Collection[str],
        seen: Collection[int] = (),
        commit: str = "",
    ) -> tuple[OpenStatus, Conversation]:
        self.seen = set(seen)
        return self.open_status(issue, number), self._conversation(number, reviews)

    def _conversation(self, number: int, reviews: Collection[str]) -> Conversation:
        pull = self.pulls[number - 1]
        ours = {int(p.id): read_marker(p.body) for p in pull.inline if p.review in reviews}
        found = {id_: finding_of(mark.key) for id_, mark in ours.items() if mark}
        posts = (p._replace(finding=found.get(p.root, "")) for p in pull.people)
        theirs = (p for p in posts if p.by in self.writers)
        kept = (
            p._replace(body="", state="commented") if read_marker(p.body) else p
            for p in theirs
            if p.id < 0 or not read_marker(p.body)
        )
        return Conversation(tuple(kept), frozenset(pull.resolved), self.left_unread)

    def newest_reviews(self, numbers: Collection[int]) -> Mapping[int, tuple[int, ...]]:
        people = {n: self.pulls[n - 1].people for n in numbers}
        return {
            n: tuple(p.review for p in posts if p.id < 0 and p.by in self.writers)
            for n, posts in people.items()
        }

    def review(
        self,
        number: int,
        login: str,
        body: str = "",
        state: ReviewState = "commented",
        comments: Sequence[tuple[str, int, str]] = (),
    ) -> tuple[int, ...]:
        """What a person does; the numbers of the review and of its comments."""
        people, review = self.pulls[number - 1].people, next(self._ids)
        text = PersonPost(-review, review, login, body, state)
        people.append(text)
        for path, line, said in comments:
            id_ = next(self._ids)
            place = {"file": path, "line": line, "root": id_, "thread": f"PRRT_{id_}"}
            people.append(text._replace(id=id_, body=said, **place))
        return (review, *(p.id for p in people if p.review == review and p.id > 0))

    def answer(self, number: int, login: str, root: int, body: str) -> int:
        """What a person does in a conversation; the number of the comment."""
        (_, id_) = self.review(number, login, comments=[("a.py", 1, body)])
        people = self.pulls[number - 1].people
        people[-1] = people[-1]._replace(root=root, thread=f"PRRT_{root}")
        return id_

    def find_reply(self, number: int, marker: str) -> str | None:
        return _found(self.pulls[number - 1].inline, marker, self.me)

    def reply(self, number: int, thread: str, body: str, marker: str) -> str:
        id_ = str(next(self._ids))
        self.pulls[number - 1].inline.append(Post(id_, self.me, body, thread=thread))
        return id_

    def mark_ready(self, number: int) -> None:
        pull = self.pulls[number - 1]
        if pull.draft and not self.ready_allowed:
            raise ForgeRefused("GitHub answered 400: not accessible.", "contents: write")
        pull.draft = False

    def submit_verdict(
        self, number: int, sha: str, body: str, marker: str, *, approves: bool
    ) -> str:
        if self.reviewer is None:
            raise ForgeRefused("This job has no reviewer-token.", "Pass `reviewer-token`.")
        if self.reviewer == self.me:
            raise ForgeRefused("Nobody can review their own.", "Use another App.")
        pull, id_ = self.pulls[number - 1], str(next(self._ids))
        pull.posts.append(Post(id_, self.reviewer, body))
        pull.verdicts.append("APPROVED" if approves else "CHANGES_REQUESTED")
        pull.judged.append(sha)
        return id_

    def enable_auto_merge(self, number: int, sha: str, issue: int | None) -> str | None:
        pull = self.pulls[number - 1]
        labels = {*pull.labels, *(self.issues[issue].labels if issue is not None else ())}
        why = "The label says so." if PEOPLE_MERGE in labels else self.people_merge
        pull.auto_merge = why is None
        pull.merges_at = sha if pull.auto_merge else ""
        return why

    def edit_comment(self, id_: str, body: str) -> bool:
        for thing in (*self.issues.values(), *self.pulls):
            for n, post in enumerate(thing.comments):
                if post.id == id_:
                    thing.comments[n] = replace(post, body=body)
                    self.edits.append(body)
                    return True
        return False

    def put_comment(self, number: int, id_: str, body: str, marker: str) -> str:
        comments = self._thing(number).comments
        if self.edit_comment(id_, body):
            return id_
        comments.append(Post(str(next(self._ids)), self.me, body))
        return comments[-1].id

    def find_issue(self, marker: str) -> str | None:
        own = (issue for issue in self.issues.values() if issue.author == self.me)
        marked = (issue for issue in own if begins_with(issue.body, marker))
        return next((str(issue.number) for issue in marked), None)

    def post_issue(self, title: str, body: str, marker: str) -> str:
        issue = self.open_issue(title, body)
        issue.author = self.me
        return str(issue.number)

    def set_status(self, sha: str, state: StatusState, description: str, run_id: str) -> None:
        self.statuses.append((sha, state, description))

    def set_label(self, number: int, label: Label | None, others: Collection[str]) -> None:
        labels = self._thing(number).labels
        labels -= set(others)
        if label is not None:
            labels.add(label.name)

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> None:
        self.dispatches.append((workflow, ref, dict(inputs)))

    def _thing(self, number: int) -> MemoryIssue | MemoryPull:
        return self.issues[number] if number in self.issues else self.pulls[number - 1]

    def _pull(self, number: int) -> MemoryPull | None:
        return next((pull for pull in self.pulls if pull.number == number), None)

    def _closes(self, pull: MemoryPull) -> int | None:
        """The issue that it closes on the default branch, where it names one alone."""
        named = {int(n) for n in re.findall(r"(?i)\bcloses #(\d+)", pull.body)} & set(self.issues)
        return named.pop() if pull.base == "main" and len(named) == 1 else None


def _shown(pull: MemoryPull) -> PullRequest:
    return PullRequest(pull.number, f"https://forge.test/pull/{pull.number}", MemoryForge.me)


def _facts(pull: MemoryPull, closes: int | None) -> PullFacts:
    return PullFacts(
        number=pull.number,
        url=_shown(pull).url,
        title=pull.title,
        body=pull.body,
        head=pull.head,
        head_sha=pull.head_sha,
        head_repository=pull.head_repository,
        base=pull.base,
        is_open=pull.is_open,
        merged=pull.merged,
        labels=tuple(sorted(pull.labels)),
        closes=closes,
        closed_at=pull.closed_at,
    )


def _first(post: Post) -> str:
    return post.body.partition("\n")[0]


def _found(posts: Sequence[Post], marker: str, author: str) -> str | None:
    own = (p for p in posts if p.author == author)
    return next((p.id for p in own if begins_with(p.body, marker)), None)
