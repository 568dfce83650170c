"""Where the work of a local loop is kept, and how it comes to the user's branch.

While agents work only our own branch moves. The user's branch follows when the loop is approved;
the work branch itself, where the user has it checked out, follows after every round.
"""

from loop_kit.adapters.git.ancestry import builds_on
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import Place
from loop_kit.adapters.git.work_branch import WorkBranch
from loop_kit.core.ci.branches import Branches
from loop_kit.core.loop.state import LoopState, Outcome
from loop_kit.errors import StateRefused
from loop_kit.patterns import late_pattern
from loop_kit.ports import Reporter
from loop_kit.settings import Settings
from loop_kit.usecases.apply_work import Applied, Target, apply_work

_WORK_BRANCH = late_pattern(r".+/([^/]+)/work(?:-\d+)?")


class LocalBranch:
    """The work branch of one local run, and the user's branch as the run has found it."""

    def __init__(
        self,
        git: Git,
        place: Place,
        settings: Settings,
        task_id: str,
        recorded: LoopState | None,
        fetched_tip: str,
        ignored: str,
        reporter: Reporter,
    ) -> None:
        """`recorded` is the loop to continue, None for a new one; `ignored` is its folder.

        `fetched_tip` is where a fetched loop's work was in CI, '' for a loop of this machine.

        Raises:
            StateRefused: the work that was recorded is not here.
        """
        self._git = git
        self._ignored = ignored
        self._reporter = reporter
        self._applies = settings.apply == "approved"
        self._publishes = recorded is not None and recorded.publishes
        self.user_branch = "" if place.branch == "HEAD" else place.branch
        self._head = place.head
        self._known = {place.head} if recorded is None else {*_commits(recorded), fetched_tip}
        branch = Branches(settings.branch_prefix, task_id).work
        if recorded is not None and (recorded.publishes or _is_work_branch(recorded)):
            branch = recorded.work_branch
        self._work = WorkBranch(git, place, task_id, branch, reporter.warn)
        if recorded is None:
            self._work.open(place.head)
            return
        self._require_work(recorded)
        self.user_branch = _user_branch(recorded) or self.user_branch
        self._work.open(recorded.start_sha or place.head, frozenset(self._known - {""}))

    @property
    def branch(self) -> str:
        """The work branch, as the state records it."""
        in_use = self._work.ref.removeprefix("refs/heads/")
        return self._work.branch if in_use.startswith("refs/") else in_use

    def keep(self, sha: str) -> None:
        """Keep the work up to the commit `sha`."""
        self._work.keep(sha)
        self._known.add(sha)

    @property
    def in_user_tree(self) -> bool:
        """Whether the user has the work branch checked out."""
        return self._work.in_user_tree

    def follow(self, state: LoopState) -> None:
        """Fast-forward the work branch where the user has it checked out and nothing is dirty."""
        if self._work.in_user_tree:
            self._apply(state, self._work.branch)

    def deliver(self, state: LoopState) -> list[str]:
        """Take approved work to the user's branch, and say where the work is, in lines."""
        tip = state.branch_tip
        if tip in {"", state.start_sha} or self._git.objects.info([f"{tip}^{{commit}}"]) == [None]:
            return []
        self._work.keep_again(tip)
        where = "at" if self._work.name.startswith("refs/") else "on the branch"
        lines = [f"The work is {where} {self._work.name}."]
        here = self._work.branch if self._work.in_user_tree else None
        if here is not None:
            lines += _delivery(here, self._apply(state, here))
        is_ours = not self._publishes and self.user_branch != here
        if state.outcome is Outcome.APPROVED and is_ours:
            lines += _delivery(self.user_branch, self._apply(state, self.user_branch))
        return lines

    def _apply(self, state: LoopState, branch: str) -> Applied:
        is_work = branch == self._work.branch
        head = self._work.left_at if is_work else self._head
        target = Target(branch, head, frozenset(self._known))
        applied = apply_work(
            *(self._git, self._work.name, state.tip, target, self._ignored), allowed=self._applies
        )
        if applied.moved and is_work:
            self._work.note_moved(state.tip)
        return applied

    def _require_work(self, recorded: LoopState) -> None:
        """Check that the recorded work is here; that of a loop begun in place is on HEAD."""
        tip = recorded.branch_tip
        if not tip or self._work.holds(tip):
            return
        on_loop_branch = recorded.publishes or _is_work_branch(recorded)
        is_here = self._git.has(tip)
        if is_here and (on_loop_branch or builds_on(self._git, tip, self._head)):
            return
        remedy = f"Run `git branch {self._work.branch} {tip}` and continue"
        if not is_here:
            remedy = f"Fetch {tip} from the repository where it was made"
        raise StateRefused(
            f"The loop left its work at {tip[:10]}, which {self.user_branch or 'HEAD'} does not"
            " hold any more.",
            f"{remedy}, or start again without --resume.",
            anchor="work-not-in-head",
        )


def _delivery(branch: str, applied: Applied) -> list[str]:
    name = f"Your branch {branch}" if branch else "Your work tree"
    if applied.command is None:
        return [f"{name} has it."]
    return [
        f"{name} stays as it is: {applied.why_not}. Take the work with:",
        f"  {applied.command}",
    ]


def _commits(state: LoopState) -> set[str]:
    """The commits that a loop has made, and the one that it started from."""
    made = {record.head_sha for record in state.history}
    return {state.start_sha, state.tip, state.branch_tip, *made}


def _is_work_branch(state: LoopState) -> bool:
    """Whether the recorded branch is one for the work alone, and not the user's own."""
    found = _WORK_BRANCH.fullmatch(state.work_branch)
    return found is not None and found[1] == state.task_id


def _user_branch(state: LoopState) -> str:
    """The branch that the user started the loop on; of one that was begun in place, its branch."""
    if state.publishes or _is_work_branch(state):
        return state.base_branch
    return "" if state.work_branch == "HEAD" else state.work_branch
