"""Classifies what git reports of a failed fetch or push: a race, a final refusal, or neither.

Only what is listed here as final is final: a rule of the server, a permission that was never there,
something that does not exist, or a setting of this machine. Whatever else goes wrong may pass (a
contended ref, a server error, a broken connection, a token that the server knew a moment ago) and
is tried again. Names of refs and addresses are left out of the comparison.
"""

import re

from loop_kit.core.ci.branches import Branches
from loop_kit.errors import BranchRefused

_LOGIN = re.compile(r"//[^/@\s]+@")
_NAME = re.compile(r"\S*(?:refs/|://)\S*")
_SERVER_TROUBLE = re.compile(
    r"\.lock': file exists|fatal error in commit_refs|internal server error|rate limit"
    r"|cannot lock ref(?!.*(?:cannot create|but expected|already exists))",
    re.DOTALL,
)
"""Passes, whatever else is printed beside it."""
_AUTHENTICATION = re.compile(
    r"returned error: 401|authentication failed|could not read (?:username|password)"
)
_FINAL = (
    r"returned error: 4(?!01|08|25|29)\d\d",
    r"\bgh\d{3}\b|rule violations|protected branch|declined|denied|prohibited",
    r"refusing to|without `workflows` permission|hidden ref|funny refname|checked out",
    r"cannot create|directory file conflict|shallow update not allowed",
    r"couldn't find remote ref|not our ref|unadvertised object|does not match any",
    r"repository not found|not (?:appear to be )?a git repository",
    r"certificate problem|certificate verif|host key verification failed",
    r"transport '\w+' not allowed|unable to find remote helper",
    r"no space left on device|read-only file system|usage: git|unknown option",
)
_UNREACHABLE = (
    *("returned error: 5", "connection reset", "connection refused", "could not resolve host"),
    *("failed to connect", "timed out", "early eof", "unexpected disconnect", "empty reply"),
    "remote end hung up",
)


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
    if is_denied(output):
        return BranchRefused(
            f"The git server refused the token: {message}",
            "Give the job `permissions: contents: write` and pass `github-token`.",
        )
    if "gh006" in low or "protected branch" in low or "gh013" in low or "rule violations" in low:
        return BranchRefused(
            f"A branch rule forbids pushing {branches.prefix}/**: {message}",
            f"Exempt `{branches.prefix}/**` from the rule, or set `branch-prefix`.",
        )
    if "cannot create" in low or "directory file conflict" in low:
        return BranchRefused(
            f"A branch is in the way of {branches.work}: {message}",
            "Delete or rename it, or set `branch-prefix` to another prefix.",
        )
    if not is_final(output):
        return BranchRefused(
            f"The git server could not do it: {message}", "That may be over soon: run it again."
        )
    return BranchRefused(f"The git server refused: {message}", "Fix what it reports and run again.")


def is_denied(output: str) -> bool:
    """Whether the server refuses the token."""
    low = output.lower()
    return "error: 403" in low or bool(_AUTHENTICATION.search(low))


def is_race(output: str) -> bool:
    """Whether somebody else moved a branch between our fetch and our push."""
    low = output.lower()
    if "cannot create" in low or _SERVER_TROUBLE.search(low):
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


def is_final(output: str, *, token_worked: bool = False) -> bool:
    """Whether a repetition would be refused like this one; git prints nothing of what is absent.

    With `token_worked` the server has accepted the token before, so that a refusal of it may pass.
    """
    low = _NAME.sub("", output.lower())
    if not low.strip():
        return True
    if _SERVER_TROUBLE.search(low):
        return False
    if _AUTHENTICATION.search(low):
        return not token_worked
    return any(re.search(pattern, low) for pattern in _FINAL)


def may_pass(output: str, *, token_worked: bool = False) -> bool:
    """Whether the same push or fetch may succeed in a moment."""
    return not is_race(output) and not is_final(output, token_worked=token_worked)


def is_unreachable(output: str) -> bool:
    """Whether the server cannot be reached, or fails whatever it is asked."""
    low = output.lower()
    return any(word in low for word in _UNREACHABLE)
