"""Operations on the repository itself, its people, its commits and their statuses."""

from __future__ import annotations

from tests.support.git_diff import diff
from tests.support.github_requests import Call, Refusal, Reply, Route, invalid, within
from tests.support.github_state import Status

LONGEST_DESCRIPTION = 140


def commit_routes() -> list[Route]:
    repository = "/repos/{owner}/{repo}"
    return [
        Route("GET", "/user", get_user),
        Route("GET", repository, get_repository),
        Route("GET", f"{repository}/collaborators/{{login}}/permission", get_permission),
        Route("POST", f"{repository}/statuses/{{sha}}", create_status),
        Route("GET", f"{repository}/commits/{{ref}}/statuses", list_statuses),
        Route("GET", f"{repository}/statuses/{{ref}}", list_statuses),
        Route("GET", f"{repository}/commits/{{ref}}/status", get_combined_status),
        Route("GET", f"{repository}/commits/{{ref}}", get_commit),
        Route("GET", f"{repository}/compare/{{ref}}", compare),
        Route("GET", f"{repository}/rules/branches/{{branch}}", list_rules),
    ]


def get_user(call: Call) -> Reply:
    if call.caller.is_installation:
        raise Refusal(403, "Resource not accessible by integration")
    return Reply(200, call.shapes.public_user(call.caller.login))


def list_rules(call: Call) -> Reply:
    """List the rules of every ruleset; here each is for every branch."""
    source = {"ruleset_source_type": "Repository", "ruleset_id": 1}
    source["ruleset_source"] = call.repository.name
    return call.page(call.repository.rules, lambda rule: {**rule, **source})


def get_repository(call: Call) -> Reply:
    shape = call.shapes.full_repository(call.repository, may_push=call.caller.may_push)
    return Reply(200, shape)


def get_permission(call: Call) -> Reply:
    """Tell a user's role; apps are not users, and the finer roles fold into older ones."""
    if not call.caller.is_installation and not call.caller.may_push:
        raise Refusal(403, "Must have push access to view collaborator permission.")
    login, repository = call.parameters["login"], call.repository
    if login not in call.users or login.endswith("[bot]"):
        raise Refusal(404, f"{login} is not a user")
    role = repository.role(login)
    older = {"maintain": "write", "triage": "read"}.get(role, role)
    levels = ["none", "read", "triage", "write", "maintain", "admin"]
    names = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain"}
    rights = {
        name: levels.index(role) >= levels.index(needed)
        for name, needed in {**names, "admin": "admin"}.items()
    }
    user = {**call.shapes.user(login), "permissions": rights, "role_name": role}
    return Reply(200, {"permission": older, "role_name": role, "user": user})


def commit_named(call: Call) -> str:
    ref = call.parameters["ref"]
    git = call.repository.git
    names = (f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/{ref}", ref)
    sha = next((found for name in names if (found := git.resolve(name))), None)
    if sha is None:
        raise Refusal(422, f"No commit found for SHA: {ref}")
    return sha


def get_commit(call: Call) -> Reply:
    call.require("read", "contents")
    return Reply(200, call.shapes.commit(call.repository, commit_named(call)))


def compare(call: Call) -> Reply:
    """Compare two commits from where they part; a slash in their names may be encoded or not."""
    call.require("read", "contents")
    repository, git = call.repository, call.repository.git
    names = call.parameters["ref"].split("...")
    ends = [git.head(name) or git.resolve(name) for name in names]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        raise Refusal(404, "Not Found")
    base, head = ends[0], ends[1]
    fork = git.merge_base(base, head)
    if fork is None:
        raise Refusal(404, f"No common ancestor between {names[0]} and {names[1]}.")
    ahead, behind = git.count_commits(base, head), git.count_commits(head, base)
    states = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind"}
    url = f"{call.shapes.repository_url(repository)}/compare/{call.parameters['ref']}"
    page = f"{call.shapes.site}/{repository.name}/compare/{call.parameters['ref']}"
    commits = git.git("rev-list", "--reverse", f"{base}..{head}").split()
    shown = call.page(commits, lambda sha: call.shapes.commit(repository, sha))
    shape = {
        "url": url,
        "html_url": page,
        "permalink_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "base_commit": call.shapes.commit(repository, base),
        "merge_base_commit": call.shapes.commit(repository, fork),
        "status": states.get((ahead > 0, behind > 0), "identical"),
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": ahead,
        "commits": shown.body,
        "files": [call.shapes.changed_file(repository, head, c) for c in diff(git, fork, head)],
    }
    return Reply(200, shape, shown.headers)


def create_status(call: Call) -> Reply:
    call.require("write", "statuses")
    repository, fields, sha = call.repository, call.fields, call.parameters["sha"]
    if len(sha) != 40 or repository.git.resolve(sha) is None:
        raise Refusal(422, f"No commit found for SHA: {sha}")
    state = fields.get("state")
    if state not in {"error", "failure", "pending", "success"}:
        raise invalid("Status", "state", "custom", "state is not included in the list")
    description = fields.get("description")
    if description is not None:
        within(description, "description", "Status", LONGEST_DESCRIPTION)
    context = fields.get("context") or "default"
    creator, target = call.caller.login, fields.get("target_url")
    number = next(repository.ids)
    status = Status(number, sha, context, state, description, target, creator)
    repository.statuses.append(status)
    creator_shape = {"creator": call.shapes.user(creator)}
    return Reply(201, {**call.shapes.status(repository, status), **creator_shape})


def list_statuses(call: Call) -> Reply:
    call.require("read", "statuses")
    return call.page(
        call.repository.statuses_of(commit_named(call)),
        lambda status: {
            **call.shapes.status(call.repository, status),
            "creator": call.shapes.user(status.creator),
        },
    )


def get_combined_status(call: Call) -> Reply:
    """Show the last status of each context, and the worst of them as the whole's."""
    call.require("read", "statuses")
    sha, repository = commit_named(call), call.repository
    latest: dict[str, Status] = {}
    for status in repository.statuses_of(sha):
        latest.setdefault(status.context, status)
    states = {status.state for status in latest.values()}
    state = "success" if states == {"success"} else "pending"
    if states & {"error", "failure"}:
        state = "failure"
    url = call.shapes.repository_url(repository)
    page = call.page(latest.values(), lambda status: call.shapes.status(repository, status))
    shape = {
        "state": state,
        "statuses": page.body,
        "sha": sha,
        "total_count": len(latest),
        "repository": call.shapes.minimal_repository(repository),
        "commit_url": f"{url}/commits/{sha}",
        "url": f"{url}/commits/{sha}/status",
    }
    return Reply(200, shape, page.headers)
