"""The JSON that GitHub's REST API shows for issues, pull requests, comments and reviews."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.git_diff import diff, follow_line
from tests.support.github_shapes import Json, Shapes, association, optional_timestamp, timestamp

if TYPE_CHECKING:
    from tests.support.github_state import (
        Comment,
        HostedRepository,
        Issue,
        Pull,
        Reaction,
        Review,
        ReviewComment,
    )


@dataclass(frozen=True)
class ConversationShapes:
    """Shapes of what people say about one repository."""

    shapes: Shapes
    repository: HostedRepository

    @property
    def url(self) -> str:
        return self.shapes.repository_url(self.repository)

    @property
    def page(self) -> str:
        return f"{self.shapes.site}/{self.repository.name}"

    def comment(self, comment: Comment) -> Json:
        kind = "pull" if comment.number in self.repository.pulls else "issues"
        return {
            "id": comment.id,
            "node_id": f"IC_{comment.id}",
            "url": f"{self.url}/issues/comments/{comment.id}",
            "html_url": f"{self.page}/{kind}/{comment.number}#issuecomment-{comment.id}",
            "issue_url": f"{self.url}/issues/{comment.number}",
            "user": self.shapes.user(comment.author),
            "author_association": association(self.repository, comment.author),
            "body": comment.body,
            "created_at": timestamp(comment.created_at),
            "updated_at": timestamp(comment.updated_at),
            "performed_via_github_app": None,
        }

    def issue(self, issue: Issue) -> Json:
        url = f"{self.url}/issues/{issue.number}"
        pull = self.repository.pulls.get(issue.number)
        kind = "pull" if pull else "issues"
        shape = {
            **self._opening(issue),
            "url": url,
            "id": issue.id,
            "node_id": f"I_{issue.id}",
            "repository_url": self.url,
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "html_url": f"{self.page}/{kind}/{issue.number}",
            "comments": len(issue.comments),
            "state_reason": "completed" if issue.state == "closed" and not pull else None,
            "closed_by": self.shapes.user(issue.closed_by) if issue.closed_by else None,
        }
        if pull:
            shape["draft"] = pull.draft
            shape["pull_request"] = {
                "url": f"{self.url}/pulls/{issue.number}",
                "html_url": f"{self.page}/pull/{issue.number}",
                "diff_url": f"{self.page}/pull/{issue.number}.diff",
                "patch_url": f"{self.page}/pull/{issue.number}.patch",
                "merged_at": optional_timestamp(pull.merged_at),
            }
        return shape

    def pull(self, pull: Pull) -> Json:
        """Return a pull request as lists show it."""
        number = pull.number
        url = f"{self.url}/pulls/{number}"
        page = f"{self.page}/pull/{number}"
        links = {
            "self": url,
            "html": page,
            "issue": f"{self.url}/issues/{number}",
            "comments": f"{self.url}/issues/{number}/comments",
            "review_comments": f"{url}/comments",
            "review_comment": f"{self.url}/pulls/comments{{/number}}",
            "commits": f"{url}/commits",
            "statuses": f"{self.url}/statuses/{pull.head_sha}",
        }
        return {
            **self._opening(pull.issue),
            "url": url,
            "id": pull.id,
            "node_id": pull.node_id,
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            **{f"{name}_url": link for name, link in links.items() if name not in {"self", "html"}},
            "draft": pull.draft,
            "merged_at": optional_timestamp(pull.merged_at),
            "merge_commit_sha": pull.merge_commit,
            "requested_reviewers": [],
            "requested_teams": [],
            "head": self._head(pull),
            "base": self._end(pull.base, self.repository.git.head(pull.base) or pull.head_sha),
            "_links": {name: {"href": link} for name, link in links.items()},
            "auto_merge": None,
        }

    def full_pull(self, pull: Pull) -> Json:
        """Return a pull request as it is shown alone."""
        git = self.repository.git
        base = git.head(pull.base) or pull.head_sha
        changes = diff(git, base, pull.head_sha)
        clean = git.merges_cleanly(base, pull.head_sha) if pull.issue.state == "open" else None
        comments = [comment for review in pull.reviews for comment in review.comments]
        states = {True: "draft" if pull.draft else "clean", False: "dirty", None: "unknown"}
        return {
            **self.pull(pull),
            "merged": pull.merged_at is not None,
            "mergeable": clean,
            "rebaseable": clean,
            "mergeable_state": states[clean],
            "merged_by": self.shapes.user(pull.merged_by) if pull.merged_by else None,
            "comments": len(pull.issue.comments),
            "review_comments": len(comments),
            "maintainer_can_modify": False,
            "commits": git.count_commits(base, pull.head_sha),
            "additions": sum(change.additions for change in changes),
            "deletions": sum(change.deletions for change in changes),
            "changed_files": len(changes),
        }

    def review(self, pull: Pull, review: Review) -> Json:
        url = f"{self.url}/pulls/{pull.number}"
        page = f"{self.page}/pull/{pull.number}#pullrequestreview-{review.id}"
        shape = {
            "id": review.id,
            "node_id": review.node_id,
            "user": self.shapes.user(review.author),
            "body": review.body,
            "state": review.state,
            "html_url": page,
            "pull_request_url": url,
            "author_association": association(self.repository, review.author),
            "_links": {"html": {"href": page}, "pull_request": {"href": url}},
            "commit_id": review.commit,
        }
        if review.state != "PENDING":
            shape["submitted_at"] = timestamp(review.submitted_at)
        return shape

    def review_comment(self, pull: Pull, comment: ReviewComment) -> Json:
        """Return a comment on a line; `line` is None once the line has been changed."""
        url = f"{self.url}/pulls/comments/{comment.id}"
        pull_url = f"{self.url}/pulls/{pull.number}"
        page = f"{self.page}/pull/{pull.number}#discussion_r{comment.id}"
        line, start = self._current_lines(pull, comment)
        return {
            "url": url,
            "pull_request_review_id": comment.review_id,
            "id": comment.id,
            "node_id": f"PRRC_{comment.id}",
            "diff_hunk": comment.excerpt,
            "path": comment.path,
            "commit_id": pull.head_sha if line is not None else comment.commit,
            "original_commit_id": comment.commit,
            "user": self.shapes.user(comment.author),
            "body": comment.body,
            "created_at": timestamp(comment.created_at),
            "updated_at": timestamp(comment.created_at),
            "html_url": page,
            "pull_request_url": pull_url,
            "author_association": association(self.repository, comment.author),
            "_links": {
                "self": {"href": url},
                "html": {"href": page},
                "pull_request": {"href": pull_url},
            },
            "start_line": start,
            "original_start_line": comment.start_line,
            "start_side": comment.start_side,
            "line": line,
            "original_line": comment.line,
            "side": comment.side,
            "original_position": comment.position,
            "position": comment.position if line is not None else None,
            "subject_type": "line",
        }

    def _current_lines(self, pull: Pull, comment: ReviewComment) -> tuple[int | None, int | None]:
        if comment.side == "LEFT":
            return comment.line, comment.start_line
        git, ends = self.repository.git, (comment.commit, pull.head_sha)
        line = follow_line(git, comment.path, comment.line, *ends)
        if line is None or comment.start_line is None:
            return line, None
        return line, follow_line(git, comment.path, comment.start_line, *ends)

    def _opening(self, issue: Issue) -> Json:
        """Return what issues and pull requests have in common."""
        labels = [self.repository.label(name) for name in issue.labels]
        return {
            "number": issue.number,
            "title": issue.title,
            "body": issue.body,
            "user": self.shapes.user(issue.author),
            "author_association": association(self.repository, issue.author),
            "labels": [self.shapes.label(self.repository, label) for label in labels],
            "state": issue.state,
            "locked": False,
            "active_lock_reason": None,
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "created_at": timestamp(issue.created_at),
            "updated_at": timestamp(issue.updated_at),
            "closed_at": optional_timestamp(issue.closed_at),
        }

    def reaction(self, reaction: Reaction) -> Json:
        return {
            "id": reaction.id,
            "node_id": f"REA_{reaction.id}",
            "user": self.shapes.user(reaction.login),
            "content": reaction.content,
            "created_at": timestamp(reaction.created_at),
        }

    def _head(self, pull: Pull) -> Json:
        """Return where a pull request comes from; a fork is shown as if it had our settings."""
        end = self._end(pull.head, pull.head_sha)
        if pull.fork is None:
            return end
        owner, _, name = pull.fork.partition("/")
        if not owner:
            return {**end, "label": f"unknown:{pull.head}", "user": None, "repo": None}
        user = self.shapes.user(owner)
        fork = {"full_name": pull.fork, "name": name, "owner": user, "fork": True}
        repo = {**end["repo"], **fork}
        return {**end, "label": f"{owner}:{pull.head}", "user": user, "repo": repo}

    def _end(self, branch: str, sha: str) -> Json:
        return {
            "label": f"{self.repository.owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.shapes.user(self.repository.owner),
            "repo": self.shapes.repository(self.repository),
        }
