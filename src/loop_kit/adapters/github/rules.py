"""The rules of rulesets for one branch, which any token may read."""

from typing import Any
from urllib.parse import quote

from loop_kit.adapters.github.api import GitHubApi
from loop_kit.adapters.github.refusals import Refused

SIGNATURES = "required_signatures"


def branch_rules(api: GitHubApi, branch: str) -> list[dict[str, Any]]:
    """The rules for `branch`, which need not exist; none where the forge has no rulesets."""
    try:
        return list(api.read("", f"/rules/branches/{quote(branch, safe='')}", per_page=100))
    except Refused as error:
        if error.status == 404:
            return []
        raise
