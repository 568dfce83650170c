"""Deletes the branches of loops from the git server, unless they moved since they were listed.

All branches of all loops are deleted by one push. When the server rejects it, each loop is pushed
by itself, so that one with a moved or protected branch does not block the others; the branches of
one loop are deleted together or not at all. A push whose failure may pass is repeated, unless the
branches are gone: then only its answer was lost.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.refusals import is_race, may_pass, refusal
from loop_kit.adapters.git.remote import Remote, ask_server, push_once, repeat
from loop_kit.core.ci.branches import Branches
from loop_kit.errors import BranchRefused

_HEADS = "refs/heads/"
_HELD = re.compile(r"held-[0-9a-f]{4,64}")

Tips = Mapping[str, str]
"""Branches and the commits that they are at."""


class BranchRemoval:
    """Branches under `prefix` on the server."""

    def __init__(
        self,
        git: Git,
        remote: Remote,
        prefix: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._git = git
        self._remote = remote
        self._prefix = prefix
        self._sleep = sleep

    def list_branches(self, task_ids: Iterable[str]) -> dict[str, Tips]:
        """The branches of these loops, by task id: state, work and commits that were set aside.

        The branch of a person's own pull request is never among them.

        Raises:
            BranchRefused: the server refuses, or does not answer.
        """
        names = sorted(task_ids)
        if not names:
            return {}
        patterns = [f"{_HEADS}{self._prefix}/{name}/*" for name in names]
        command = ("ls-remote", "--heads", "--", self._remote.url, *patterns)
        done = ask_server(self._git, self._remote, *command, sleep=self._sleep)
        if done.code:
            raise self._refusal(done.err)
        rows = (line.split("\t") for line in done.out.decode("utf-8", "replace").splitlines())
        tips = {row[1].removeprefix(_HEADS): row[0] for row in rows if len(row) == 2}
        return {name: dict(self._own(name, tips)) for name in names}

    def remove(self, loops: Mapping[str, Tips]) -> dict[str, BranchRefused | None]:
        """Delete these branches unless they moved; the refusal or None, by loop.

        A loop with a branch that moved meanwhile is left out.
        """
        if not loops:
            return {}
        output = self._push(loops)
        if output is None:
            return dict.fromkeys(loops)
        if len(loops) == 1:
            branches = Branches(self._prefix, next(iter(loops)))
            return {} if is_race(output) else dict.fromkeys(loops, refusal(output, branches))
        outcome: dict[str, BranchRefused | None] = {}
        for name, tips in loops.items():
            outcome |= self.remove({name: tips})
        return outcome

    def _own(self, name: str, tips: Tips) -> Iterator[tuple[str, str]]:
        start = f"{self._prefix}/{name}/"
        for branch, sha in tips.items():
            last = branch.removeprefix(start)
            if branch.startswith(start) and (last in {"state", "work"} or _HELD.fullmatch(last)):
                yield branch, sha

    def _push(self, loops: Mapping[str, Tips]) -> str | None:
        """Delete all of them at once; returns what git printed when that failed."""

        def push() -> str | None:
            error = self._push_once(loops.values())
            may_be_done = error is not None and self._may_pass(error)
            return None if may_be_done and self._are_gone(loops) else error

        return repeat(
            self._remote, push, self._sleep, lambda e: e is not None and self._may_pass(e)
        )

    def _push_once(self, loops: Iterable[Tips]) -> str | None:
        tips = {branch: sha for each in loops for branch, sha in each.items()}
        if not tips:  # without a refspec git would push what is checked out
            return None
        return push_once(
            *(self._git, self._remote),
            *(f"--force-with-lease={_HEADS}{branch}:{sha}" for branch, sha in tips.items()),
            *(self._remote.url, *(f":{_HEADS}{branch}" for branch in tips)),
        )

    def _are_gone(self, loops: Mapping[str, Tips]) -> bool:
        return not any(self.list_branches(loops).values())

    def _may_pass(self, error: str) -> bool:
        return may_pass(error, token_worked=self._remote.use.worked)

    def _refusal(self, output: bytes) -> BranchRefused:
        return refusal(output.decode("utf-8", "replace"), Branches(self._prefix, "*"))
