"""The forge port on GitHub's API.

What REST cannot do, or only one by one, uses GraphQL. A job's token may read all of a public
repository; in a private one it needs each `permissions:` line that a refusal names.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from loop_kit.adapters.github import approval, dispatching, labels, queries, refusals, threads
from loop_kit.adapters.github.answers import (
    is_post,
    is_posted_by,
    issue_of,
    open_status_of,
    pull_from_list,
    pull_of,
)
from loop_kit.adapters.github.api import Access, GitHubApi, ReviewComment, review_comment
from loop_kit.adapters.github.checks import CheckReader, rerun_failed
from loop_kit.adapters.github.records import RecordReader
from loop_kit.adapters.github.refusals import Refused
from loop_kit.adapters.spare_token import CHECKS_NOT_STARTED
from loop_kit.core.ci.requests import PullFacts
from loop_kit.core.forge.inline_comments import ReviewPost
from loop_kit.core.forge.render import begins_with, read_marker
from loop_kit.core.forge.status import MAX_STATUS, STATUS_CONTEXT, Label, StatusState
from loop_kit.core.loop.conversation import Conversation
from loop_kit.core.loop.run_ends import RunStatus
from loop_kit.core.loop.state import Lease
from loop_kit.errors import ForgeRefused, ForgeUnavailable
from loop_kit.ports import PullRequest
from loop_kit.ports.forge import Issue, OpenStatus, Reaction, ThreadUpdate

__all__ = ["Access", "GitHubForge"]


class GitHubForge(CheckReader, RecordReader):
    """One repository on GitHub."""

    def __init__(
        self,
        access: Access,
        sleep: Callable[[float], None] = time.sleep,
        reviewer: Access | None = None,
    ) -> None:
        """`reviewer` is the same repository with the token by which verdicts are submitted."""
        self._access = access
        self._api = GitHubApi(access, sleep)
        self._reviewer = None if reviewer is None else GitHubApi(reviewer, sleep)
        self._conversations = threads.Conversations(self._api)
        self._github = self._api.github

    @property
    def page(self) -> str:
        """The web page of the repository."""
        return self._access.page

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._github.close()
        if self._reviewer is not None:
            self._reviewer.github.close()

    def may_write(self, login: str) -> bool:
        """Whether this person's permission is write or more; False for unknown names."""
        repository = self._api.repository
        try:
            permission = self._api.ask("", lambda: repository.get_collaborator_permission(login))
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return permission in {"admin", "maintain", "write"}

    def run_status(self, lease: Lease) -> RunStatus | None:
        """The run that holds `lease`, by one request; None when the API cannot tell."""
        if not lease.run_id.isdigit():
            return None
        try:
            run = self._api.read("actions: read", f"/actions/runs/{lease.run_id}")
        except ForgeRefused:
            return None
        if int(run.get("run_attempt") or 1) > lease.run_attempt:
            return RunStatus(ended=True)
        if run.get("status") != "completed":
            return RunStatus(ended=False)
        conclusion, at = run.get("conclusion") or "", run.get("updated_at") or ""
        return RunStatus(ended=True, conclusion=str(conclusion), ended_at=str(at))

    def has_artifact(self, run_id: str, name: str) -> bool:
        """Whether a run has an artifact of this name that has not expired."""
        if not run_id.isdigit():
            return False
        path = f"/actions/runs/{run_id}/artifacts"
        try:
            answer = self._api.read("actions: read", path, name=name, per_page=100)
        except ForgeRefused:
            return False
        return any(one["name"] == name and not one["expired"] for one in answer["artifacts"])

    def issue(self, number: int) -> Issue | None:
        """The issue, or None; also None for one that was moved to another repository."""
        if not _is_number(number):
            return None
        return issue_of(self._api.query_repository(queries.ISSUE, {"number": number}))

    def pull(self, number: int) -> PullFacts | None:
        """The pull request, with the issue that it closes according to GitHub."""
        if not _is_number(number):
            return None
        return pull_of(self._api.query_repository(queries.PULL, {"number": number}))

    def newest_pull(self, head: str) -> PullFacts | None:
        """The newest pull request from branch `head`; `closes` is not filled in.

        By REST, since GraphQL also finds those of forks with a branch of that name.
        """
        wanted = f"{self._access.owner}:{head}"
        answer = self._api.read(
            "pull-requests: read",
            "/pulls",
            head=wanted,
            state="all",
            sort="created",
            direction="desc",
            per_page=10,
        )
        pulls = [pull_from_list(pull) for pull in answer]
        here = self._access.repository.lower()
        return next((p for p in pulls if p.head_repository.lower() == here), None)

    def open_status(self, issue: int | None, pull: int | None) -> OpenStatus:
        """Whether an issue and a pull request are open; no request is made when both are None."""
        issue_number = issue if issue is not None and _is_number(issue) else None
        pull_number = pull if pull is not None and _is_number(pull) else None
        found = {}
        if issue_number is not None or pull_number is not None:
            found = self._api.query_repository(*queries.open_status(issue_number, pull_number))
        return open_status_of(found, issue, pull)

    def merge_base(self, base: str, head: str) -> str:
        """The merge base of two branches or commits."""
        path = f"/compare/{quote(base, safe='')}...{quote(head, safe='')}"
        compared = self._api.read("contents: read", path, per_page=1)
        return str(compared["merge_base_commit"]["sha"])

    def rerun(self, run: int) -> None:
        """Run again what failed or was cancelled in a workflow run."""
        rerun_failed(self._api, run)

    def loop_of(self, number: int) -> str:
        """The task id in the marker of our newest comment on `number`, or ''."""
        me = self._api.login()
        issue = self._api.repository.get_issue(number)

        def search() -> str:
            own = (comment for comment in issue.get_comments() if is_posted_by(comment, me))
            marked = [found for c in own if (found := read_marker(c.body or ""))]
            return marked[-1].task_id if marked else ""

        try:
            return self._api.ask("issues: read", search)
        except Refused as error:
            if error.status in {404, 410}:
                return ""
            raise

    def react(self, comment: int, content: Reaction) -> None:
        """Add a reaction to a comment; does nothing if it is gone or that is not permitted."""
        path = f"/issues/comments/{comment}/reactions"
        try:
            self._api.set("issues: write", "POST", path, {"content": content})
        except Refused as error:
            if error.status not in {403, 404, 410, 422}:
                raise

    def find_pull_request(self, head: str) -> PullRequest | None:
        """The open pull request from branch `head`."""
        repository = self._api.repository

        def first() -> PullRequest | None:
            for pull in repository.get_pulls(state="open", head=f"{self._access.owner}:{head}"):
                return _pull_request(pull)
            return None

        return self._api.ask("pull-requests: read", first)

    def open_pull_request(
        self, head: str, base: str, title: str, body: str, *, draft: bool
    ) -> PullRequest:
        """Open one; not as a draft if drafts are not supported."""
        repository = self._api.repository

        def create() -> PullRequest:
            pull = repository.create_pull(base, head, title=title, body=body, draft=draft)
            return _pull_request(pull)

        try:
            return self._api.create(
                "pull-requests: write", create, lambda: self.find_pull_request(head)
            )
        except ForgeRefused as error:
            message = error.sentence.lower()
            if draft and "draft" in message:
                return self.open_pull_request(head, base, title, body, draft=False)
            found = self.find_pull_request(head) if "already exists" in message else None
            if found:
                return found
            if "not permitted to create" in message:
                link = f"{self._access.page}/compare/{base}...{head}?expand=1"
                raise refusals.pulls_forbidden(link) from None
            raise

    def find_post(self, number: int, marker: str) -> str | None:
        """The id of our review or comment that carries `marker`, searched over all pages.

        Only pull requests have reviews; for an issue GitHub answers that request with 404.
        """
        us, repository = self._logins(), self._api.repository
        found = self._api.ask(
            "issues: read",
            lambda: _post_id(repository.get_issue(number).get_comments(), marker, us),
        )
        if found is not None:
            return found
        try:
            return self._api.ask(
                "pull-requests: read",
                lambda: _post_id(repository.get_pull(number).get_reviews(), marker, us),
            )
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def _logins(self) -> set[str]:
        """Who we post as; a reviewer's token that does not count any more hides no other post."""
        us = self._api.logins()
        if self._reviewer is not None:
            with contextlib.suppress(ForgeRefused, ForgeUnavailable):
                us.add(self._reviewer.login())
        return us

    def post_review(self, number: int, sha: str, post: ReviewPost, marker: str) -> str:
        """Post a review that neither approves nor rejects, or a comment if GitHub refuses it.

        GitHub accepts all inline comments or none; if it refuses, everything goes into the body.
        """
        pull = self._api.repository.get_pull(number)
        commit = self._api.repository.get_commit(sha)

        def find() -> str | None:
            return self.find_post(number, marker)

        def review(body: str, comments: list[ReviewComment]) -> Callable[[], str]:
            return lambda: str(
                pull.create_review(commit, body, event="COMMENT", comments=comments).id
            )

        tries = [review(post.whole, [])]
        if post.comments:
            tries.insert(0, review(post.body, [review_comment(c) for c in post.comments]))
        for attempt in tries:
            try:
                return self._api.create("pull-requests: write", attempt, find)
            except Refused as error:
                if error.status not in {404, 422}:
                    raise
        return self._api.create(
            "pull-requests: write", lambda: str(pull.create_issue_comment(post.whole).id), find
        )

    def update_threads(
        self, number: int, reviews: set[str], updates: Mapping[str, ThreadUpdate], *, resolves: bool
    ) -> str | None:
        """Update the threads that comments of `reviews` began with one of the keys, markers."""
        return self._conversations.update(number, reviews, updates, resolves=resolves)

    def read_pull(
        self,
        number: int,
        issue: int | None,
        reviews: Collection[str],
        seen: Collection[int] = (),
        commit: str = "",
    ) -> tuple[OpenStatus, Conversation]:
        """How the pull request stands, and what people wrote in reviews of it."""
        return self._conversations.read(number, issue, reviews, seen, commit)

    def newest_reviews(self, numbers: Collection[int]) -> Mapping[int, tuple[int, ...]]:
        """The newest reviews by people with write access on each, in one request for all."""
        return threads.newest_reviews(self._api, numbers)

    def find_reply(self, number: int, marker: str) -> str | None:
        """The id of our review comment that begins with `marker`."""
        return threads.find_reply(self._api, number, marker)

    def reply(self, number: int, thread: str, body: str, marker: str) -> str:
        """Answer in a conversation on a line of the diff; returns the id of the comment."""
        return threads.reply(self._api, number, thread, body, marker)

    def mark_ready(self, number: int) -> None:
        """Mark a draft as ready for review; does nothing if it is no draft."""
        self._conversations.mark_ready(number)

    def submit_verdict(
        self, number: int, sha: str, body: str, marker: str, *, approves: bool
    ) -> str:
        """Approve a pull request, or request changes, by the reviewer's own token."""
        if self._reviewer is None:
            raise ForgeRefused(
                "This job has no reviewer-token.", "Pass `reviewer-token`.", anchor="reviewer-token"
            )
        return approval.submit_verdict(self._reviewer, number, sha, body, marker, approves=approves)

    def enable_auto_merge(self, number: int, sha: str, issue: int | None) -> str | None:
        """Have GitHub merge the pull request; the reason where people do."""
        owner, _, name = self._access.repository.partition("/")
        variables = {"owner": owner, "name": name, "number": number, "sha": sha}
        return approval.enable_auto_merge(self._api, variables, issue)

    def put_comment(self, number: int, id_: str, body: str, marker: str) -> str:
        """Replace the body of our comment `id_`, or post one if there is none; returns its id."""
        issue = self._api.repository.get_issue(number)
        if self._access.spare.is_used:
            body = f"{body}\n\n{CHECKS_NOT_STARTED}"
        if self.edit_comment(id_, body):
            return id_
        return self._api.create(
            "issues: write",
            lambda: str(issue.create_comment(body).id),
            lambda: self.find_post(number, marker),
        )

    def edit_comment(self, id_: str, body: str) -> bool:
        """Replace the body of our comment `id_`; whether there is one."""
        path, change = f"/issues/comments/{id_}", {"body": body}
        return id_.isdigit() and self._api.set("issues: write", "PATCH", path, change, unless=404)

    def find_issue(self, marker: str) -> str | None:
        """The number of our issue that begins with `marker`, among our newest 100."""
        me = self._api.login()
        listed = self._api.read("issues: read", "/issues", creator=me, state="all", per_page=100)
        own = (issue for issue in listed if (issue["user"] or {}).get("login") == me)
        marked = (issue for issue in own if begins_with(issue["body"] or "", marker))
        return next((str(issue["number"]) for issue in marked), None)

    def post_issue(self, title: str, body: str, marker: str) -> str:
        """Open an issue; returns its number."""
        repository = self._api.repository
        return self._api.create(
            "issues: write",
            lambda: str(repository.create_issue(title, body=body).number),
            lambda: self.find_issue(marker),
        )

    def set_status(self, sha: str, state: StatusState, description: str, run_id: str) -> None:
        """Set the commit status of the loop, cut to the length that GitHub accepts."""
        status = {
            "state": state,
            "context": STATUS_CONTEXT,
            "description": description[:MAX_STATUS],
        }
        if run_id.isdigit():
            status["target_url"] = f"{self._access.page}/actions/runs/{run_id}"
        self._api.set("statuses: write", "POST", f"/statuses/{sha}", status)

    def set_label(self, number: int, label: Label | None, others: Collection[str]) -> None:
        """Put `label` on a pull request or an issue, and take `others` off."""
        if label is not None:
            labels.add(self._api, number, label)
        for name in others:
            path = f"/issues/{number}/labels/{quote(name, safe='')}"
            self._api.set("issues: write", "DELETE", path, unless=404)

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> None:
        """Start the workflow that runs the next round."""
        dispatching.start(self._api, self._access.page, workflow, ref, inputs)


def _is_number(number: int) -> bool:
    """Whether anything can have this number; GraphQL accepts no larger ones in a query."""
    return 0 < number <= queries.LARGEST_INT


def _pull_request(pull: Any) -> PullRequest:
    return PullRequest(pull.number, pull.html_url, pull.user.login)


def _post_id(posts: Iterable[Any], marker: str, us: Collection[str]) -> str | None:
    own = (post for post in posts if any(is_post(post, marker, login) for login in us))
    return next((str(post.id) for post in own), None)
