"""Fast-forwards the user's branch to approved work, or names the one command that does it.

The branch is moved only where nothing of the user's is in the way: it is the one that the loop
started on, at a commit that the loop knows, and no tracked file differs. Git itself refuses where
an untracked file, ignored or not, would be overwritten.
"""

import shlex
import time

from loop_kit.adapters.git.ancestry import builds_on, tip_of
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.work_tree import Status, read_status
from loop_kit.core.text.numbers import counted
from loop_kit.errors import GitFailed
from loop_kit.frozen import frozen

_DETACHED = "(detached)"
_HEADS = "refs/heads/"
_HELD = b"Already up to date"
_LOCK_PATIENCE = 10.0
_LOCK_PAUSE = 0.25


@frozen
class Target:
    """The user's branch as a run found it.

    Attributes:
        branch: Its name, '' where HEAD was detached.
        head: The commit that was checked out when the run started.
        known: The commits that the loop has made or started from.
    """

    branch: str
    head: str
    known: frozenset[str]


@frozen
class Applied:
    """What became of the user's branch.

    Attributes:
        moved: Whether it was fast-forwarded now.
        why_not: Why it was not; None where it holds the work.
        command: What does it instead; None where nothing is to be done.
    """

    moved: bool = False
    why_not: str | None = None
    command: str | None = None


def apply_work(
    git: Git, work: str, head: str, target: Target, ignored: str, *, allowed: bool = True
) -> Applied:
    """Bring the commit `head`, which is on the ref `work`, to the user's branch.

    `ignored` is the loop's folder, whose files do not count; without `allowed` nothing is changed.
    """
    now = read_status(git, ignored)
    tip = now.head if _is_checked_out(target, now) else tip_of(git, target.branch) or now.head
    if head == tip:
        return Applied()
    why = "--apply never" if not allowed else _obstacle(now, target, head)
    applied = Applied(why_not=why) if why is not None else _fast_forward(git, head)
    if applied.why_not is None:
        return applied
    if builds_on(git, head, tip):
        return Applied()
    return Applied(why_not=applied.why_not, command=_command(git, work, head, target, now))


def _is_checked_out(target: Target, now: Status) -> bool:
    return not target.branch or now.branch == target.branch


def _obstacle(now: Status, target: Target, head: str) -> str | None:
    """Why the user's branch stays where it is, as far as its status shows."""
    if not target.branch or now.branch == _DETACHED:
        return "HEAD is detached"
    if not _is_checked_out(target, now):
        return f"{now.branch} is checked out now, not {target.branch}"
    if now.head not in {target.head, head} or now.head not in target.known:
        return f"{now.branch} has moved since the loop started"
    if now.tracked:
        return f"it has uncommitted changes in {counted(len(now.tracked), 'file')}"
    return None


def _fast_forward(git: Git, head: str) -> Applied:
    """Fast-forward what is checked out, unless it holds `head` already, or say why git refuses.

    The index of a user's tree may be locked for a moment by an editor.
    """
    end = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            merge = ("merge", "--ff-only", "--no-overwrite-ignore", "--no-stat", head)
            done = git.run(*merge, timeout=600)
        except GitFailed as error:
            if "index.lock" not in error.sentence or time.monotonic() >= end:
                return Applied(why_not=" ".join(error.sentence.partition("failed: ")[2].split()))
            time.sleep(_LOCK_PAUSE)
        else:
            return Applied(moved=_HELD not in done.out)


def _command(git: Git, work: str, head: str, target: Target, now: Status) -> str:
    """The command that brings the work to the user's branch."""
    if not _is_checked_out(target, now):
        tip = tip_of(git, target.branch)
        if tip is None or builds_on(git, tip, head):
            return shlex.join(("git", "fetch", ".", f"{work}:{_HEADS}{target.branch}"))
        switch = shlex.join(("git", "switch", target.branch))
        return f"{switch} && {shlex.join(('git', 'merge', work))}"
    stash = ("--autostash",) if now.tracked else ()
    forward = ("--ff-only",) if builds_on(git, now.head, head) else ()
    return shlex.join(("git", "merge", *forward, *stash, work))
