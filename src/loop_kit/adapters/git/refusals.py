"""Classifies what git reports of a failed fetch or push: a race, a transient failure, a refusal."""

import re

from loop_kit.core.ci.branches import Branches
from loop_kit.errors import BranchRefused

_LOGIN = re.compile(r"//[^/@\s]+@")


def printable(output: str) -> str:
    """The output of git on one line, without the login that a URL may hold."""
    return _LOGIN.sub("//", " ".join(output.split()))[-400:]


def refusal(output: str, branches: Branches) -> BranchRefused:
    """The git server's refusal as one sentence and what to change."""
    low = output.lower()
    message = printable(output)
    if "without `workflows` permission" in low or ("workflow" in low and "refusing" in low):
        return BranchRefused(
            "The token may not push a commit that touches .github/workflows.",
            "Make that change by hand, or use a token that may (an App with `workflows: write`).",
        )
    denied = ("error: 403", "error: 401", "authentication failed", "could not read")
    if any(word in low for word in denied):
        return BranchRefused(
            f"The git server refused the token: {message}",
            "Give the job `permissions: contents: write` and pass `github-token`.",
        )
    if "gh006" in low or "protected branch" in low or "gh013" in low or "rule violations" in low:
        return BranchRefused(
            f"A branch rule forbids pushing {branches.prefix}/**: {message}",
            f"Exempt `{branches.prefix}/**` from the rule, or set `branch-prefix`.",
        )
    if "cannot lock ref" in low or "directory file conflict" in low:
        return BranchRefused(
            f"A branch is in the way of {branches.work}: {message}",
            "Delete or rename it, or set `branch-prefix` to another prefix.",
        )
    return BranchRefused(f"The git server refused: {message}", "Fix what it reports and run again.")


def is_race(output: str) -> bool:
    """Whether somebody else moved a branch between our fetch and our push."""
    low = output.lower()
    if "cannot create" in low:  # a branch has the name of our prefix: no race
        return False
    return any(
        word in low
        for word in (
            "fetch first",
            "needs force",
            "non-fast-forward",
            "stale info",
            "but expected",
            "reference already exists",
            "failed to update ref",
        )
    )


def is_transient(output: str) -> bool:
    """Whether this is a failure of the network or of the server that may be over soon."""
    low = output.lower()
    return any(
        word in low
        for word in (
            "returned error: 5",
            "connection reset",
            "connection refused",
            "could not resolve host",
            "failed to connect",
            "timed out",
            "early eof",
            "unexpected disconnect",
            "empty reply",
            "remote end hung up",
        )
    )
