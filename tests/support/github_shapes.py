"""The JSON that GitHub's REST API shows for users, repositories, commits and runs."""

from __future__ import annotations

import datetime as dt
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.git_diff import FileChange
    from tests.support.github_state import Artifact, HostedRepository, Label, Run, Status

Json = dict[str, Any]


def timestamp(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def optional_timestamp(moment: dt.datetime | None) -> str | None:
    return timestamp(moment) if moment else None


def user_id(login: str) -> int:
    """Return a number that stays the same for a login."""
    return zlib.crc32(login.encode())


def association(repository: HostedRepository, login: str) -> str:
    if login == repository.owner:
        return "OWNER"
    return "COLLABORATOR" if repository.roles.get(login, "none") != "none" else "NONE"


@dataclass(frozen=True)
class Shapes:
    """Every URL lies below `base`, since clients refuse to follow one to another host."""

    base: str
    git_base: str

    @property
    def site(self) -> str:
        """Where people look at what `base` is the API of."""
        return self.base.removesuffix("/api/v3")

    def user(self, login: str) -> Json:
        url = f"{self.base}/users/{login}"
        return {
            "login": login,
            "id": user_id(login),
            "node_id": f"U_{user_id(login)}",
            "avatar_url": f"{self.base}/avatars/{user_id(login)}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.site}/{login}",
            "followers_url": f"{url}/followers",
            "following_url": f"{url}/following{{/other_user}}",
            "gists_url": f"{url}/gists{{/gist_id}}",
            "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
            "subscriptions_url": f"{url}/subscriptions",
            "organizations_url": f"{url}/orgs",
            "repos_url": f"{url}/repos",
            "events_url": f"{url}/events{{/privacy}}",
            "received_events_url": f"{url}/received_events",
            "type": "Bot" if login.endswith("[bot]") else "User",
            "site_admin": False,
        }

    def public_user(self, login: str) -> Json:
        """Return what `GET /user` shows of its caller."""
        nothing = dict.fromkeys(
            ("name", "company", "location", "email", "hireable", "bio", "twitter_username")
        )
        counts = dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0)
        dates = dict.fromkeys(("created_at", "updated_at"), "2020-01-01T00:00:00Z")
        return {**self.user(login), **nothing, **counts, **dates, "blog": ""}

    def repository_url(self, repository: HostedRepository) -> str:
        return f"{self.base}/repos/{repository.name}"

    def minimal_repository(self, repository: HostedRepository) -> Json:
        url = self.repository_url(repository)
        return {
            "id": repository.id,
            "node_id": f"R_{repository.id}",
            "name": repository.short_name,
            "full_name": repository.name,
            "owner": self.user(repository.owner),
            "private": repository.private,
            "html_url": f"{self.site}/{repository.name}",
            "description": None,
            "fork": False,
            "url": url,
            **{f"{name}_url": f"{url}/{path}" for name, path in repository_links()},
        }

    def repository(self, repository: HostedRepository) -> Json:
        """Return a repository as pull requests show it."""
        open_issues = sum(issue.state == "open" for issue in repository.issues.values())
        created = timestamp(repository.created_at)
        return {
            **self.minimal_repository(repository),
            "clone_url": f"{self.git_base}/{repository.name}.git",
            "git_url": f"{self.git_base}/{repository.name}.git",
            "ssh_url": f"git@127.0.0.1:{repository.name}.git",
            "svn_url": f"{self.site}/{repository.name}",
            **dict.fromkeys(("homepage", "language", "mirror_url", "license")),
            **dict.fromkeys(("forks", "forks_count", "stargazers_count"), 0),
            **dict.fromkeys(("watchers", "watchers_count", "size"), 0),
            "open_issues": open_issues,
            "open_issues_count": open_issues,
            **dict.fromkeys(("has_issues", "has_projects", "has_downloads", "has_wiki"), True),
            **dict.fromkeys(("has_pages", "has_discussions", "archived", "disabled"), False),
            "is_template": False,
            "topics": [],
            "visibility": "private" if repository.private else "public",
            "default_branch": repository.default_branch,
            "pushed_at": created,
            "created_at": created,
            "updated_at": created,
        }

    def full_repository(self, repository: HostedRepository, *, may_push: bool) -> Json:
        """Return a repository as `GET /repos/{owner}/{repo}` shows it to one caller."""
        refused = dict.fromkeys(("admin", "maintain", "triage"), False)
        return {
            **self.repository(repository),
            "permissions": {**refused, "push": may_push, "pull": True},
            "subscribers_count": 0,
            "network_count": 0,
        }

    def label(self, repository: HostedRepository, label: Label) -> Json:
        return {
            "id": label.id,
            "node_id": f"LA_{label.id}",
            "url": f"{self.repository_url(repository)}/labels/{label.name}",
            "name": label.name,
            "color": label.color,
            "default": False,
            "description": label.description,
        }

    def changed_file(self, repository: HostedRepository, sha: str, change: FileChange) -> Json:
        page = f"{self.site}/{repository.name}"
        shape = {
            "sha": change.blob,
            "filename": change.path,
            "status": change.status,
            "additions": change.additions,
            "deletions": change.deletions,
            "changes": change.additions + change.deletions,
            "blob_url": f"{page}/blob/{sha}/{change.path}",
            "raw_url": f"{page}/raw/{sha}/{change.path}",
            "contents_url": f"{self.repository_url(repository)}/contents/{change.path}?ref={sha}",
        }
        if change.patch is not None:
            shape["patch"] = change.patch
        if change.previous_path is not None:
            shape["previous_filename"] = change.previous_path
        return shape

    def commit(self, repository: HostedRepository, sha: str) -> Json:
        url = f"{self.repository_url(repository)}/commits"
        parts = "%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B"
        text = repository.git.git("show", "--no-patch", f"--format={parts}", sha)
        tree, parents, *people, message = text.removesuffix("\n").split("\0", 8)
        trees = f"{self.repository_url(repository)}/git/trees"
        return {
            "sha": sha,
            "node_id": f"C_{sha}",
            "url": f"{url}/{sha}",
            "html_url": f"{self.site}/{repository.name}/commit/{sha}",
            "comments_url": f"{url}/{sha}/comments",
            "commit": {
                "url": f"{self.repository_url(repository)}/git/commits/{sha}",
                "author": git_person(*people[:3]),
                "committer": git_person(*people[3:]),
                "message": message.removesuffix("\n"),
                "comment_count": 0,
                "tree": {"sha": tree, "url": f"{trees}/{tree}"},
            },
            "author": None,
            "committer": None,
            "parents": [{"sha": parent, "url": f"{url}/{parent}"} for parent in parents.split()],
        }

    def status(self, repository: HostedRepository, status: Status) -> Json:
        return {
            "url": f"{self.repository_url(repository)}/statuses/{status.sha}",
            "avatar_url": f"{self.base}/avatars/{user_id(status.creator)}",
            "id": status.id,
            "node_id": f"SC_{status.id}",
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": timestamp(status.created_at),
            "updated_at": timestamp(status.created_at),
        }

    def workflow(self, repository: HostedRepository, file: str, name: str) -> Json:
        number = repository.workflow_id(file)
        page = f"{self.site}/{repository.name}"
        return {
            "id": number,
            "node_id": f"W_{number}",
            "name": name,
            "path": f".github/workflows/{file}",
            "state": "active",
            "created_at": timestamp(repository.created_at),
            "updated_at": timestamp(repository.created_at),
            "url": f"{self.repository_url(repository)}/actions/workflows/{number}",
            "html_url": f"{page}/blob/{repository.default_branch}/.github/workflows/{file}",
            "badge_url": f"{page}/workflows/{name}/badge.svg",
        }

    def artifact(self, repository: HostedRepository, run: Run, artifact: Artifact) -> Json:
        url = f"{self.repository_url(repository)}/actions/artifacts/{artifact.id}"
        return {
            "id": artifact.id,
            "node_id": f"MDg6QXJ0aWZhY3Q{artifact.id}",
            "name": artifact.name,
            "size_in_bytes": 1024,
            "url": url,
            "archive_download_url": f"{url}/zip",
            "expired": artifact.expired,
            "created_at": timestamp(artifact.created_at),
            "updated_at": timestamp(artifact.created_at),
            "expires_at": timestamp(artifact.created_at + dt.timedelta(days=90)),
            "workflow_run": {
                "id": run.id,
                "repository_id": repository.id,
                "head_repository_id": repository.id,
                "head_branch": run.head_branch,
                "head_sha": run.head_sha,
            },
        }

    def run(self, repository: HostedRepository, run: Run) -> Json:
        actions = f"{self.repository_url(repository)}/actions"
        url = f"{actions}/runs/{run.id}"
        commit = self.commit(repository, run.head_sha)["commit"]
        links = ("jobs", "logs", "artifacts", "cancel", "rerun")
        return {
            "id": run.id,
            "name": run.workflow,
            "node_id": f"WFR_{run.id}",
            "head_branch": run.head_branch,
            "head_sha": run.head_sha,
            "path": f".github/workflows/{run.workflow}",
            "display_title": run.workflow,
            "run_number": 1,
            "run_attempt": run.run_attempt,
            "event": run.event,
            "status": run.status,
            "conclusion": run.conclusion,
            "workflow_id": repository.workflow_id(run.workflow),
            "workflow_url": f"{actions}/workflows/{repository.workflow_id(run.workflow)}",
            "url": url,
            "html_url": f"{self.site}/{repository.name}/actions/runs/{run.id}",
            **{f"{link}_url": f"{url}/{link}" for link in links},
            "check_suite_url": f"{self.repository_url(repository)}/check-suites/{run.id}",
            "previous_attempt_url": None,
            "pull_requests": [],
            "created_at": timestamp(run.created_at),
            "updated_at": timestamp(run.updated_at),
            "run_started_at": timestamp(run.created_at),
            "actor": self.user(run.actor),
            "triggering_actor": self.user(run.actor),
            "head_commit": {
                "id": run.head_sha,
                "tree_id": commit["tree"]["sha"],
                "message": commit["message"],
                "timestamp": commit["committer"]["date"],
                "author": without_date(commit["author"]),
                "committer": without_date(commit["committer"]),
            },
            "repository": self.minimal_repository(repository),
            "head_repository": self.minimal_repository(repository),
        }


def without_date(person: Json) -> Json:
    return {"name": person["name"], "email": person["email"]}


def git_person(name: str, email: str, seconds: str) -> Json:
    moment = dt.datetime.fromtimestamp(int(seconds), dt.UTC)
    return {"name": name, "email": email, "date": timestamp(moment)}


def repository_links() -> list[tuple[str, str]]:
    """Return the links of a repository, without their `_url`, and where they lead."""
    plain = (
        "contributors deployments downloads events forks hooks languages merges stargazers "
        "subscribers subscription tags teams"
    )
    templates = {
        "archive": "{archive_format}{/ref}",
        "assignees": "assignees{/user}",
        "blobs": "git/blobs{/sha}",
        "branches": "branches{/branch}",
        "collaborators": "collaborators{/collaborator}",
        "comments": "comments{/number}",
        "commits": "commits{/sha}",
        "compare": "compare/{base}...{head}",
        "contents": "contents/{+path}",
        "git_commits": "git/commits{/sha}",
        "git_refs": "git/refs{/sha}",
        "git_tags": "git/tags{/sha}",
        "issue_comment": "issues/comments{/number}",
        "issue_events": "issues/events{/number}",
        "issues": "issues{/number}",
        "keys": "keys{/key_id}",
        "labels": "labels{/name}",
        "milestones": "milestones{/number}",
        "notifications": "notifications{?since,all,participating}",
        "pulls": "pulls{/number}",
        "releases": "releases{/id}",
        "statuses": "statuses/{sha}",
        "trees": "git/trees{/sha}",
    }
    return [*((name, name) for name in plain.split()), *templates.items()]
