"""Classifies what git reports of a failed fetch or push: a race, a final refusal, or neither.

Only what is listed here as final is final: a rule of the server, a permission that was never there,
something that does not exist, or a setting of this machine. Whatever else goes wrong may pass (a
contended ref, a server error, a broken connection, a token that the server knew a moment ago) and
is tried again. Names of refs and addresses are left out of the comparison.
"""

import re

from loop_kit.core.ci.branches import Branches
from loop_kit.core.loop.push_refusal import MAX_PLACES, MAX_WORDS, Place, PushRefusal, RefusalKind
from loop_kit.core.text.sanitize import visible
from loop_kit.errors import BranchRefused

_LOGIN = r"//[^/@\s]+@"
_NAME = r"(?<!\S)\S*?(?:refs/|://)\S*"
_SERVER_TROUBLE = (
    r"(?s)\.lock': file exists|fatal error in commit_refs|internal server error|rate limit"
    r"|cannot lock ref(?!.*(?:cannot create|but expected|already exists))"
)
"""Passes, whatever else is printed beside it."""
_AUTHENTICATION = r"returned error: 401|authentication failed|could not read (?:username|password)"
_FINAL = (
    r"returned error: 4(?!01|08|25|29)\d\d"
    r"|\bgh\d{3}\b|rule violations|protected branch|declined|denied|prohibited"
    r"|refusing to|without `workflows` permission|hidden ref|funny refname|checked out"
    r"|cannot create|directory file conflict|shallow update not allowed"
    r"|couldn't find remote ref|not our ref|unadvertised object|does not match any"
    r"|repository not found|not (?:appear to be )?a git repository"
    r"|certificate problem|certificate verif|host key verification failed"
    r"|transport '\w+' not allowed|unable to find remote helper"
    r"|no space left on device|read-only file system|usage: git|unknown option"
)
_UNREACHABLE = (
    *("returned error: 5", "connection reset", "connection refused", "could not resolve host"),
    *("failed to connect", "timed out", "early eof", "unexpected disconnect", "empty reply"),
    "remote end hung up",
)
_SECRET = r"cannot contain secrets|push protection|\bgh009\b|secrets? detected"  # noqa: S105
_CONTENT = (
    r"\bgh00[18]\b|large files? detected|file size limit|commit message|author email|file paths?\b"
    r"|file extension|file size|path length|larger than|too (?:large|long|big)|missing lfs object"
)
_REFUSED_REF = r"(?m)^!\t\S*:refs/heads/(\S+)\t\[remote rejected\] \((.*)\)"
_NAMED_REF = r"(?:found|failed) for refs/heads/(\S+?)\.?(?:\s|$)"
_PLACE = r"(?m)^[ \t]*+(?:-[ \t]*+)?path: (\S.*?)(?::(\d+))?$"
_LARGE = r"(?m)^(?>.*?\bFile )(\S.*?) is [\d.]+ [KMG]B"
_SECRET_KIND = r"(?m)^[ \t]*+(?:--|——) (.+?) (?:--|——)"  # noqa: S105


def printable(output: str) -> str:
    """The output of git on one line, without the login that a URL may hold."""
    return re.sub(_LOGIN, "//", " ".join(output.split()))[-400:]


def refusal(output: str, branches: Branches) -> BranchRefused:
    """The git server's refusal as one sentence and what to change."""
    named = _refused_branch(output) or f"{branches.prefix}/**"
    return BranchRefused(
        *_explain(output, printable(output), branches, named), anchor="push-refused"
    )


def _explain(output: str, message: str, branches: Branches, branch: str) -> tuple[str, str]:
    low = output.lower()
    if _is_about_workflows(low):
        return (
            "The token may not push a commit that touches .github/workflows.",
            "Make that change by hand, or use a token that may (an App with `workflows: write`).",
        )
    if is_denied(output):
        return (
            f"The git server refused the token: {message}",
            "Give the job `permissions: contents: write` and pass `github-token`.",
        )
    if "gh006" in low or "protected branch" in low or "gh013" in low or "rule violations" in low:
        return _explain_rule(low, message, branches, branch)
    if "cannot create" in low or "directory file conflict" in low:
        return (
            f"A branch is in the way of {branches.work}: {message}",
            "Delete or rename it, or set `branch-prefix` to another prefix.",
        )
    if not is_final(output):
        return (
            f"The git server could not do it: {message}",
            "That may be over soon: run it again.",
        )
    return f"The git server refused: {message}", "Fix what it reports and run again."


def _explain_rule(low: str, message: str, branches: Branches, branch: str) -> tuple[str, str]:
    if "verified signatures" in low:
        return (
            f"A branch rule requires verified commits on {branch}, and git in a job signs none.",
            f"Exempt `{branches.prefix}/**` from the rule, or let the GitHub App of `github-token`"
            " bypass it; GitHub signs what it squashes.",
        )
    if branch.startswith(f"{branches.prefix}/"):
        remedy = f"Exempt `{branches.prefix}/**` from the rule, or set `branch-prefix`."
    else:
        remedy = f"Exempt `{branch}` from the rule, or work from an issue instead."
    return f"A branch rule forbids pushing {branch}: {message}", remedy


def push_refusal(
    output: str, branches: Branches, *, pushes_work: bool, token_worked: bool
) -> PushRefusal:
    """A refused push as it is recorded: what it is about, the branch, and the server's words."""
    words = _words(output)
    kind = _kind(output, words.lower(), token_worked=token_worked)
    branch = _refused_branch(output) or (branches.work if pushes_work else branches.state)
    places = [Place(path=path, line=int(line or 0)) for path, line in re.findall(_PLACE, words)]
    places += [Place(path=path) for path in re.findall(_LARGE, words)]
    sentence, remedy = _sentence(kind, output, words, branches, branch)
    return PushRefusal(
        kind=kind,
        branch=branch,
        sentence=sentence,
        remedy=remedy,
        words=words,
        places=tuple({str(place): place for place in places}.values())[:MAX_PLACES],
        of_state=branch == branches.state,
    )


def _kind(output: str, words: str, *, token_worked: bool) -> RefusalKind:
    if re.search(_AUTHENTICATION, output.lower()):
        return RefusalKind.TOKEN if token_worked else RefusalKind.RIGHTS
    if is_denied(output) or _is_about_workflows(output.lower()):
        return RefusalKind.RIGHTS
    if re.search(_SECRET, words):
        return RefusalKind.SECRET
    if not is_final(output, token_worked=token_worked):
        return RefusalKind.FAULT
    return RefusalKind.CONTENT if re.search(_CONTENT, words) else RefusalKind.RULE


def _sentence(
    kind: RefusalKind, output: str, words: str, branches: Branches, branch: str
) -> tuple[str, str]:
    if kind is RefusalKind.SECRET:
        named = ", ".join(dict.fromkeys(re.findall(_SECRET_KIND, words)))
        what = f"a secret ({named})" if named else "a secret"
        where = ", ".join(f"{p}:{n}" if n else p for p, n in re.findall(_PLACE, words)[:5])
        return (
            f"The git server did not take {branch}: it found {what}{f' in {where}' * bool(where)}.",
            "Say in the task how to do without it, or allow it where the server says so;"
            " /loop retry has the round done again.",
        )
    if kind is RefusalKind.TOKEN:
        return (
            f"The token has expired or was revoked during the job: the git server refused it for"
            f" {branch}, and had accepted it before.",
            "Use a token that lives as long as the job.",
        )
    if kind is RefusalKind.CONTENT:
        quoted = printable(words)
        return (
            f"The git server did not take what is in {branch}: {quoted}",
            "Change the rule that it names, or push the commits yourself in another form.",
        )
    return _explain(output, printable(words), branches, branch)


def _words(output: str) -> str:
    """What the server printed, line by line, without the login that a URL may hold."""
    lines = [line.rstrip() for line in visible(output).splitlines()]
    remote = [line[8:] for line in lines if line.startswith("remote: ")]
    reasons = [reason for _, reason in re.findall(_REFUSED_REF, output) if "atomic" not in reason]
    kept = [*remote, *reasons] if remote or reasons else [line for line in lines if line]
    return re.sub(_LOGIN, "//", "\n".join(kept)).strip()[:MAX_WORDS]


def _refused_branch(output: str) -> str | None:
    """The branch that the server refused; the others of an atomic push only share its fate."""
    refs = [ref for ref, reason in re.findall(_REFUSED_REF, output) if "atomic" not in reason]
    named = re.search(_NAMED_REF, output)
    return named.group(1) if named else refs[0] if refs else None


def _is_about_workflows(low: str) -> bool:
    return "without `workflows` permission" in low or ("workflow" in low and "refusing" in low)


def is_denied(output: str) -> bool:
    """Whether the server refuses the token."""
    low = output.lower()
    return "error: 403" in low or bool(re.search(_AUTHENTICATION, low))


def is_unauthenticated(output: str) -> bool:
    """Whether the server does not know the token."""
    return bool(re.search(_AUTHENTICATION, output.lower()))


def is_race(output: str) -> bool:
    """Whether somebody else moved a branch between our fetch and our push."""
    low = output.lower()
    if "cannot create" in low or re.search(_SERVER_TROUBLE, low):
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
    low = re.sub(_NAME, "", output.lower())
    if not low.strip():
        return True
    if re.search(_SERVER_TROUBLE, low):
        return False
    if re.search(_AUTHENTICATION, low):
        return not token_worked
    return bool(re.search(_FINAL, low))


def may_pass(output: str, *, token_worked: bool = False) -> bool:
    """Whether the same push or fetch may succeed in a moment."""
    return not is_race(output) and not is_final(output, token_worked=token_worked)


def is_unreachable(output: str) -> bool:
    """Whether the server cannot be reached, or fails whatever it is asked."""
    low = output.lower()
    return any(word in low for word in _UNREACHABLE)
