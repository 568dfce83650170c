"""The rules of rulesets for one branch, which any token may read."""

from typing import Any
from urllib.parse import quote

from loop_kit.adapters.github.api import GitHubApi
from loop_kit.adapters.github.refusals import Refused

SIGNATURES = "required_signatures"


def branch_rules(api: GitHubApi, branch: str) -> list[dict[str, Any]]:
    """The rules for `branch`, which need not exist; none where the forge has no rulesets.

    They are read once in a run.
    """
    if branch not in api.rules:
        try:
            found = list(api.read("", f"/rules/branches/{quote(branch, safe='')}", per_page=100))
        except Refused as error:
            if error.status != 404:
                raise
            found = []
        api.rules[branch] = found
    return api.rules[branch]


def requires_current(api: GitHubApi, branch: str) -> bool:
    """Whether a rule for `branch` asks that a pull request holds its tip before it is merged."""
    return any(
        bool((rule.get("parameters") or {}).get("strict_required_status_checks_policy"))
        for rule in branch_rules(api, branch)
        if rule.get("type") == "required_status_checks"
    )
