"""Approving a pull request by a token of its own, and having GitHub merge it.

Nobody can approve what they have opened, and what a job's own token merges starts no workflow: both
take the token of a GitHub App. GitHub merges only where its rules still ask for something; where
they do not, or where a label says that people merge, it stays with people, and the reason is said.
"""

from typing import Any

from loop_kit.adapters.github import queries
from loop_kit.adapters.github.answers import is_post
from loop_kit.adapters.github.api import GitHubApi
from loop_kit.adapters.github.refusals import Refused
from loop_kit.adapters.github.rules import branch_rules
from loop_kit.core.forge.verdict import PEOPLE_MERGE
from loop_kit.errors import ForgeRefused

_JOB_LOGINS = ("github-actions[bot]", "github-actions")
_REQUIRING = ("required_status_checks", "workflows")


def submit_verdict(
    api: GitHubApi, number: int, sha: str, body: str, marker: str, *, approves: bool
) -> str:
    """Submit a review with a verdict; returns its id."""
    pull, commit = api.repository.get_pull(number), api.repository.get_commit(sha)
    event = "APPROVE" if approves else "REQUEST_CHANGES"

    def find() -> str | None:
        me = api.login()
        return next((str(r.id) for r in pull.get_reviews() if is_post(r, marker, me)), None)

    try:
        return api.create(
            "pull-requests: write",
            lambda: str(pull.create_review(commit, body, event=event).id),
            find,
        )
    except Refused as error:
        if error.status == 401:
            raise ForgeRefused(
                "GitHub does not know the reviewer-token (401).",
                "Pass a valid `reviewer-token`.",
                anchor="reviewer-token",
            ) from None
        if "your own pull request" in error.sentence.lower():
            raise ForgeRefused(
                "The reviewer-token belongs to who opened the pull request, and nobody can review"
                " their own.",
                "Use the token of another GitHub App.",
                anchor="reviewer-token",
            ) from None
        if "not permitted to create or approve" in error.sentence:
            raise ForgeRefused(
                "GitHub Actions may not approve pull requests in this repository.",
                "Use the token of a GitHub App as `reviewer-token`.",
                anchor="reviewer-token",
            ) from None
        raise


def enable_auto_merge(api: GitHubApi, variables: dict[str, Any], issue: int | None) -> str | None:
    """Have GitHub merge the pull request of `variables` at its `sha`; the reason where it does not.

    `variables` has `owner`, `name`, `number` and `sha`.
    """
    sha = variables.pop("sha")
    found = api.graphql(queries.MERGE_FACTS, variables)
    repository = found["repository"]
    pull = repository["pullRequest"]
    why = _reason(api, found["viewer"]["login"], repository, issue)
    if why is not None:
        return why
    method = repository["viewerDefaultMergeMethod"]
    try:
        given = {"id": pull["id"], "sha": sha, "method": method}
        api.graphql(queries.AUTO_MERGE, given, "contents: write")
    except ForgeRefused as error:
        return str(error)
    return None


def _reason(api: GitHubApi, login: str, repository: Any, issue: int | None) -> str | None:
    """Why people merge; None if nothing speaks against GitHub doing so."""
    pull = repository["pullRequest"]
    if pull is None:
        return "The pull request does not exist any more."
    if PEOPLE_MERGE in _labels(pull) or _is_labelled(api, issue):
        return f"The label {PEOPLE_MERGE} says so."
    if login in _JOB_LOGINS:
        return (
            "What a job's own token merges starts no workflow: pass a GitHub App's token as"
            " `github-token`."
        )
    if not repository["autoMergeAllowed"]:
        return "Turn on 'Allow auto-merge' in Settings, General."
    base = pull["baseRefName"]
    if not _requires_something((pull["baseRef"] or {}).get("refUpdateRule") or {}) and not any(
        _is_requirement(rule) for rule in branch_rules(api, base)
    ):
        return f"{base} requires no check and no review: add a rule that does."
    return None


def _labels(thing: Any) -> set[str]:
    return {label["name"] for label in thing["labels"]["nodes"]}


def _is_labelled(api: GitHubApi, issue: int | None) -> bool:
    if issue is None:
        return False
    listed = api.read("issues: read", f"/issues/{issue}/labels", per_page=100)
    return any(label["name"] == PEOPLE_MERGE for label in listed)


def _requires_something(rule: Any) -> bool:
    contexts = rule.get("requiredStatusCheckContexts")
    return bool(contexts or rule.get("requiredApprovingReviewCount"))


def _is_requirement(rule: Any) -> bool:
    parameters = rule.get("parameters") or {}
    reviews = rule["type"] == "pull_request" and parameters.get("required_approving_review_count")
    return rule["type"] in _REQUIRING or bool(reviews)
