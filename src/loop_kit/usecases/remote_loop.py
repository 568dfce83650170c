"""Reads a loop from the git server, and fetches its work into the repository here.

State and work are pushed at once, so they are read at once: if the state branch moves while the
loop is read, it is read again.
"""

from collections.abc import Mapping

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.fetched_loop import read_tree
from loop_kit.adapters.git.remote import Remote, fetch_commit
from loop_kit.adapters.git.remote_loops import RemoteLoops, scratch_repository
from loop_kit.core.card.task import parse_card
from loop_kit.core.ci.branches import Branches
from loop_kit.core.ci.fetched import foreign_branch
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import LoopState
from loop_kit.errors import BranchRefused, StateRefused
from loop_kit.frozen import frozen

_TRIES = 3


@frozen
class RemoteLoop:
    """A loop as the git server has it."""

    state_tip: str
    files: Mapping[str, bytes]
    state: LoopState
    work_branch: str
    work_sha: str


def read_remote_loop(git: Git, remote: Remote, name: str, branches: Branches) -> RemoteLoop:
    """The loop with these branches on `remote`, which the repository of `git` calls `name`.

    Raises:
        LoopError: there is none, it is damaged, or the server refuses.
    """
    task_id = branches.task_id
    with scratch_repository(git) as scratch:
        loops = RemoteLoops(scratch, remote, branches.prefix)
        for _ in range(_TRIES):
            recorded = loops.states([task_id]).get(task_id)
            if recorded is None:
                raise StateRefused(
                    f"There is no loop {task_id} on {name}: it has no branch {branches.state}.",
                    "Check the task id, --remote and --branch-prefix.",
                    anchor="loop-not-found",
                )
            if recorded.state is None:
                raise StateRefused(
                    f"{bus.STATE} on {branches.state} cannot be read: {recorded.why}.",
                    "Fix it there, or delete that branch to start again.",
                )
            files = read_tree(scratch, recorded.sha, task_id)
            _check(recorded.state, files, branches)
            work_branch = recorded.state.work_branch or branches.work
            work_sha = _fetch_work(git, remote, recorded.state, work_branch, task_id)
            tips = loops.tips([task_id]).get(task_id)
            if tips is not None and tips.state == recorded.sha:
                return RemoteLoop(recorded.sha, files, recorded.state, work_branch, work_sha)
    raise BranchRefused(
        f"{branches.state} was pushed to while it was fetched.", "Run the command again."
    )


def _check(state: LoopState, files: Mapping[str, bytes], branches: Branches) -> None:
    """Refuse a loop that no job wrote, or whose card belongs to another.

    Raises:
        LoopError: it is one.
    """
    why = foreign_branch(state, branches)
    if why:
        raise StateRefused(
            f"The state of {state.task_id} was not written by a job: {why}.",
            "Check who pushed to the state branch, then delete it.",
            anchor="state-not-by-a-job",
        )
    card = parse_card(files.get(bus.TASK_CARD, b""), f"{bus.TASK_CARD} on the state branch")
    if card.task_id != state.task_id:
        raise StateRefused(
            f"The card on {branches.state} belongs to the task {card.task_id}.",
            "Fix it there, or delete that branch to start again.",
            anchor="state-of-another-task",
        )


def _fetch_work(git: Git, remote: Remote, state: LoopState, branch: str, task_id: str) -> str:
    """Fetch the work, and the commits that it is compared with; returns the tip of the work."""

    def fetch(source: str, kind: str, depth: int) -> str:
        ref = f"refs/loop-kit/{task_id}/{kind}"
        return fetch_commit(git, remote, source, ref=ref, depth=depth if shallow else 0)

    shallow = git.text("rev-parse", "--is-shallow-repository") == "true"
    tip = fetch(f"refs/heads/{branch}", "work", 1 + (state.wip.commits if state.wip else 0))
    known = ((state.base_sha, "base"), (state.start_sha, "start"), (state.diff_base, "diff-base"))
    for sha, kind in known:
        if sha and not git.has(sha):
            fetch(sha, kind, 1)
    return tip
