"""Others move the base branch on while a loop runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.engine.memory_repository import MemoryCommit
from tests.engine.world import BLOCKER, World, approval
from tests.fakes import Act, FakeVerifier, MemoryBaseBranch

from loop_kit.core.checks.reading import Check
from loop_kit.core.loop.push_refusal import PushRefusal, RefusalKind
from loop_kit.core.loop.state import Limits, LoopState, Outcome, Role, Spent
from loop_kit.ports import AgentExit, Assignment, Comparison


@pytest.fixture
def moved(world: World) -> str:
    """The commit that the base branch is at since the loop began."""
    world.base_branch.tips["main"] = world.base
    return world.repository.commit(world.base, {"a.py": b"old\n", "theirs.py": b"x\n"}, "Theirs")


def move(world: World, tip: str) -> None:
    """Move the base branch before round 2; the work merges with it."""
    first = world.job()
    world.base_branch.tips["main"] = tip
    world.base_branch.comparisons[tip, first.head_sha] = Comparison(world.base)


def test_the_base_branch_is_looked_at_before_each_round(world: World, moved: str) -> None:
    move(world, moved)
    last = world.to_the_end()

    assert last.outcome is Outcome.APPROVED
    assert world.base_branch.compared[0] == (moved, last.history[0].head_sha)
    assert (last.base.tip, last.compared_with) == (moved, world.base)


def test_a_base_branch_that_did_not_move_is_compared_with_nothing(world: World) -> None:
    world.base_branch.tips["main"] = world.base
    world.to_the_end()

    assert world.base_branch.compared == []


def test_a_round_begins_although_nobody_knows_the_base_branch(world: World) -> None:
    world.base_branch.down = True
    last = world.to_the_end()

    assert last.outcome is Outcome.APPROVED
    assert last.compared_with == world.base
    assert any("still merges with main" in line for line in world.reporter.warnings)


def push(world: World, stopped: LoopState, tree: dict[str, bytes]) -> str:
    """A person updates the branch: their merge holds what others did."""
    head = world.repository.commit(stopped.head_sha, tree, "Merge main")
    world.server.work_tip = head
    return head


def test_what_a_person_merged_is_not_counted_as_the_loops_own(world: World, moved: str) -> None:
    """After "Update branch" the review, the size and the place of a finding leave it out."""
    requests = []

    def script(job: Assignment) -> Act:
        if job.role is Role.WORKER:
            return Act({}, {f"a{job.round}.py": b"work\n"}, commit="Work")
        requests.append((job.base_sha, job.prompt))
        if len(requests) == 1:
            return Act({"decision": "changes_required", "blocking_issues": [BLOCKER]})
        return approval(job)

    world.script = script
    first = world.job()
    head = push(world, first, {"a.py": b"old\n", "theirs.py": b"x\n", "a1.py": b"work\n"})
    assert world.job().reasons == ("human_push",)
    world.base_branch.tips["main"] = moved
    world.base_branch.comparisons[moved, head] = Comparison(moved)
    last = world.to_the_end()

    assert last.outcome is Outcome.APPROVED
    assert (last.base_sha, last.diff_base) == (world.base, moved)
    base, prompt = requests[-1]
    assert base == moved
    assert "theirs.py" not in prompt.split("### The change")[1]
    assert [record.growth.source for record in last.history if record.growth] == [1, 2]


def approving(job: Assignment) -> Act:
    """A worker that does its work in one round, and a reviewer who approves it."""
    if job.role is Role.WORKER:
        return Act({}, {f"a{job.round}.py": b"work\n"}, commit="Work")
    return approval(job)


def conflict(world: World, tip: str) -> None:
    """The base branch is at `tip`, and conflicts in a.py with what does not hold it."""

    class Conflicts(MemoryBaseBranch):
        def compare(self, tip: str, head: str) -> Comparison:
            merged = any("merge" in c.subject.lower() for c in lines(world, head))
            return Comparison(tip) if merged else Comparison(world.base, ("a.py",))

    world.base_branch = Conflicts({"main": tip})


def lines(world: World, head: str) -> list[MemoryCommit]:
    return [world.repository.commits[sha] for sha in world.repository.line(head)]


def test_approved_work_that_conflicts_gets_a_round_to_merge(world: World, moved: str) -> None:
    """Its reviewer sees the merge, and only that is approved."""

    def script(job: Assignment) -> Act:
        if job.role is Role.WORKER and job.round == 2:
            assert "a.py" in job.prompt.split("## A merge to complete")[1]
            return Act({}, {"a.py": b"both\n", "a2.py": b"work\n"}, commit="Merge")
        if job.role is Role.REVIEWER:
            world.base_branch.tips["main"] = moved
        return approving(job)

    world.script = script
    conflict(world, moved)
    world.base_branch.tips["main"] = world.base
    last = world.to_the_end()

    assert last.outcome is Outcome.APPROVED
    assert [record.decision for record in last.history] == ["approve", "approve"]
    assert world.workspaces.merged == ["", "", moved, ""]
    assert (last.base.conflicts, last.error) == ((), "")


def test_a_loop_may_be_told_to_leave_its_branch_alone(world: World, moved: str) -> None:
    world.script = approving
    world.limits = Limits(evidence="strict", update_branch="never")
    conflict(world, moved)
    last = world.to_the_end()

    assert (last.outcome, last.round) == (Outcome.APPROVED, 1)
    assert last.base.conflicts == ("a.py",)
    assert set(world.workspaces.merged) == {""}


def test_without_a_round_left_the_conflict_is_why_the_loop_ends(world: World, moved: str) -> None:
    world.script = approving
    world.limits = Limits(evidence="strict", max_rounds=1)
    conflict(world, moved)
    last = world.to_the_end()

    assert last.outcome is Outcome.MAX_ROUNDS_EXHAUSTED
    assert "conflicts with main in a.py" in last.error


def test_a_person_is_asked_who_can_then_merge_and_have_that_reviewed(
    world: World, moved: str
) -> None:
    left = b"<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n"

    def script(job: Assignment) -> Act:
        if job.role is Role.WORKER and job.round == 2:
            return Act({}, {"a.py": left})
        if job.role is Role.REVIEWER:
            world.base_branch.tips["main"] = moved
        return approving(job)

    world.script = script
    conflict(world, moved)
    world.base_branch.tips["main"] = world.base
    stopped = world.to_the_end()

    assert (stopped.outcome, stopped.reasons) == (Outcome.NEEDS_HUMAN, ("conflict",))
    assert "main in a.py" in stopped.error
    assert world.asked(Role.WORKER) == [1, 2, 2]

    merged = {"a.py": b"both\n", "a2.py": b"work\n"}
    tree = {**world.repository.commits[stopped.head_sha].tree, **merged}
    world.server.work_tip = world.repository.commit(stopped.branch_tip, tree, "Merge main")
    last = world.to_the_end()
    assert (last.outcome, last.head_sha) == (Outcome.APPROVED, world.server.work_tip)
    assert last.diff_base == moved
    assert world.asked(Role.WORKER) == [1, 2, 2]


class Moving(MemoryBaseBranch):
    """A branch on which others change `theirs`, each time that somebody approves."""

    def __init__(self, world: World, theirs: str = "theirs.py", moves: int = 1) -> None:
        super().__init__({"main": world.base})
        self.world, self.theirs, self.moves = world, theirs, moves
        self.held: dict[str, str] = {}

    def move(self) -> None:
        """Others commit."""
        if self.moves:
            self.moves -= 1
            old = self.tips["main"]
            tree = {**self.world.repository.commits[old].tree, self.theirs: b"%d" % self.moves}
            self.tips["main"] = self.world.repository.commit(old, tree, "Theirs")

    def compare(self, tip: str, head: str) -> Comparison:
        return Comparison(self.held.get(head, self.world.base))

    def merge(self, tip: str, head: str, message: str) -> str:
        commits = self.world.repository.commits
        tree = {**commits[tip].tree, **commits[head].tree}
        ours = commits[head].tree.get(self.theirs, b"")
        tree[self.theirs] = ours + commits[tip].tree[self.theirs]
        sha = self.world.repository.commit(head, tree, message)
        self.held[sha] = tip
        return sha

    def changed(self, older: str, newer: str) -> frozenset[str]:
        return frozenset(self.world.repository._changed(older, newer))


def moving(world: World, branch: Moving) -> Callable[[Assignment], Act]:
    """The rule asks for the tip, and the branch moves before each approval."""
    world.base_branch = branch
    world.forge.current.add("main")

    def script(job: Assignment) -> Act:
        if job.role is Role.REVIEWER:
            branch.move()
        return approving(job)

    return script


def test_a_merge_that_changes_nothing_reviewed_keeps_the_verdict(world: World) -> None:
    branch = Moving(world)
    world.script, world.verify = moving(world, branch), ("ok",)
    last = world.to_the_end()

    assert (last.outcome, last.round) == (Outcome.APPROVED, 1)
    assert world.asked(Role.REVIEWER) == [1]
    merged = world.repository.commits[last.head_sha]
    message = "Merge main\n\nLoop-Id: T-001\nLoop-Round: 1\n"
    assert (merged.subject, merged.parent) == (message, last.history[0].head_sha)
    assert world.verifier.verified[-1] == last.head_sha == world.server.work_tip
    assert last.verification is not None
    assert last.verification.sha == last.head_sha
    assert last.diff_base == branch.tips["main"]
    assert any("the verdict is kept" in note.text for note in last.history[0].rules)


def test_the_merge_is_what_an_app_approves_and_github_merges(world: World) -> None:
    """GitHub refuses to merge what is not the head of the pull request."""
    world.script = moving(world, Moving(world))
    world.limits = Limits(formal_reviews=True, on_approved="auto-merge")
    world.forge.reviewer = "review-app[bot]"
    last = world.to_the_end()

    (pull,) = world.forge.pulls
    assert (pull.judged, pull.merges_at) == ([world.server.work_tip], world.server.work_tip)
    assert last.history[0].head_sha != last.head_sha == world.server.work_tip
    assert world.forge.statuses[-1][0] == last.head_sha


def moves_on(world: World) -> None:
    """A person pushes to the work branch."""
    tip = world.server.work_tip
    tree = {**world.repository.commits[tip].tree, "p.py": b"theirs\n"}
    world.server.work_tip = world.repository.commit(tip, tree, "Mine")


def takes_no_work(world: World) -> None:
    """The server takes the state alone from now on."""
    refused = PushRefusal(
        kind=RefusalKind.RULE, branch="loop/T-001/work", sentence="No merges.", remedy="Allow them."
    )
    world.server.refuses = lambda work, _files: refused if work else None


def reviewing(
    script: Callable[[Assignment], Act], happens: Callable[[], None]
) -> Callable[[Assignment], Act]:
    """The same script, but that something happens whenever a reviewer starts."""

    def during_review(job: Assignment) -> Act:
        if job.role is Role.REVIEWER:
            happens()
        return script(job)

    return during_review


@pytest.mark.parametrize("happens", [moves_on, takes_no_work])
def test_an_approval_is_kept_where_the_branch_cannot_take_the_merge(
    world: World, happens: Callable[[World], None]
) -> None:
    """What was reviewed is approved then, and behind."""
    script = moving(world, Moving(world))
    world.script = reviewing(script, lambda: happens(world))
    last = world.to_the_end()

    assert (last.outcome, last.lease, last.base.behind) == (Outcome.APPROVED, None, True)
    assert last.head_sha == last.history[0].head_sha == world.forge.statuses[-1][0]
    assert [note.text for note in last.history[0].rules if "behind main" in note.text]
    assert world.asked(Role.REVIEWER) == [1]
    assert "unpushed.bundle" not in world.server.files


def test_the_review_of_merged_work_has_what_verified_it(world: World) -> None:
    world.script, world.verify = moving(world, Moving(world)), ("ok",)
    last = world.to_the_end()

    (review,) = [post.body for post in world.forge.pulls[0].posts]
    assert "1 command passed" in review
    assert f"Reviewed [`{last.history[0].head_sha[:10]}`]" in review
    assert "the verdict is kept" in review


def test_a_merge_that_changes_what_was_reviewed_is_reviewed_once_more(world: World) -> None:
    world.script = moving(world, Moving(world, theirs="a1.py"))
    last = world.to_the_end()

    assert (last.outcome, last.round) == (Outcome.APPROVED, 1)
    assert world.asked(Role.REVIEWER) == [1, 1]
    assert world.workspaces.opened[-1].head == last.head_sha
    assert last.usage.rounds == 1
    assert len([post for post in world.posted() if "review-r1" in post]) == 1


def test_a_merge_that_does_not_verify_is_not_approved(world: World) -> None:
    world.script = moving(world, Moving(world))
    world.verify = ("a1.py", "ok")

    class Breaking(FakeVerifier):
        def _code(self, sha: str, command: str) -> int:
            merged = self._repository.commits[sha].subject.startswith("Merge")
            return 1 if merged else super()._code(sha, command)

    world.verifier = Breaking(world.repository)
    first = world.job()

    assert (first.outcome, first.round) == (None, 2)
    assert [finding.by for finding in first.findings] == ["verify"]
    assert world.asked(Role.REVIEWER) == [1, 1]


def test_a_base_that_moves_faster_than_it_is_merged_leaves_approved_work_behind(
    world: World,
) -> None:
    world.script = moving(world, Moving(world, theirs="a1.py", moves=5))
    last = world.to_the_end()

    assert last.outcome is Outcome.APPROVED
    assert world.asked(Role.REVIEWER) == [1, 1, 1]
    assert last.base.behind
    assert any("behind main" in note.text for note in last.history[0].rules)


def test_no_rule_asks_for_the_tip_and_nothing_is_merged(world: World) -> None:
    world.script = moving(world, Moving(world))
    world.forge.current.clear()
    last = world.to_the_end()

    assert (last.outcome, last.base.behind) == (Outcome.APPROVED, False)
    assert last.head_sha == last.history[0].head_sha


def test_an_approval_that_waits_for_checks_does_not_count_once_it_conflicts(
    world: World, moved: str
) -> None:
    world.limits = Limits(evidence="strict", checks="findings")
    world.forge.me = "loop-app[bot]"
    world.script, world.forge.every_commit = approving, (Check("test", "pending"),)
    world.base_branch.tips["main"] = world.base
    waiting = world.job()
    assert waiting.waiting_for == ("test",)

    conflict(world, moved)
    last = world.job()
    assert (last.outcome, last.round, last.waiting_for) == (None, 2, ())
    assert last.base.conflicts == ("a.py",)


def only_the_first_file(job: Assignment) -> Act:
    """A worker that does its work in one round, of which there is one file to approve."""
    act = approving(job)
    return replace(act, report={**act.report, "files_examined": ["a1.py"]})


def waiting_for_checks(world: World) -> None:
    """Approvals wait for checks, of which each commit has one."""
    world.limits = Limits(evidence="strict", checks="findings", max_rounds=3)
    world.forge.me = "loop-app[bot]"
    world.forge.every_commit = (Check("test", "pending"),)


def behind_while_waiting(world: World, theirs: str = "theirs.py") -> LoopState:
    """Approved work that others have left behind while it waited; its checks are green now."""
    branch = Moving(world, theirs=theirs, moves=2)
    world.script, world.base_branch = only_the_first_file, branch
    world.forge.current.add("main")
    waiting_for_checks(world)
    held = world.job()
    assert held.waiting_for == ("test",)
    branch.move()
    world.forge.commit_checks[held.head_sha] = (Check("test", "passed"),)
    return held


def test_an_approval_that_falls_behind_while_it_waits_is_merged_and_waits_again(
    world: World,
) -> None:
    world.verify = ("ok",)
    held = behind_while_waiting(world)

    again = world.job()

    assert (again.state, again.round, again.waiting_for) == ("awaiting_review", 1, ("test",))
    merged = world.repository.commits[again.head_sha]
    assert merged.parent == held.head_sha
    assert world.server.work_tip == again.head_sha == world.verifier.verified[-1]
    world.forge.commit_checks[again.head_sha] = (Check("test", "passed"),)
    last = world.job()
    assert (last.outcome, last.head_sha) == (Outcome.APPROVED, again.head_sha)
    assert world.asked(Role.REVIEWER) == [1]
    assert world.forge.statuses[-1][0] == last.head_sha


def test_a_merge_of_what_was_reviewed_gets_a_round_for_the_reviewer_alone(world: World) -> None:
    held = behind_while_waiting(world, theirs="a1.py")

    again = world.job()
    assert (again.state, again.round, again.continue_to) == ("awaiting_review", 2, 2)
    assert world.repository.commits[again.head_sha].parent == held.head_sha
    world.forge.commit_checks[again.head_sha] = (Check("test", "passed"),)

    last = world.to_the_end()
    assert (last.outcome, last.head_sha, last.round) == (Outcome.APPROVED, again.head_sha, 2)
    assert (world.asked(Role.WORKER), world.asked(Role.REVIEWER)) == ([1], [1, 2])


@pytest.mark.parametrize("theirs", ["a1.py", "theirs.py"])
def test_without_a_round_or_anything_to_verify_with_the_approval_is_behind(
    world: World, theirs: str
) -> None:
    world.verify = ("ok",)
    held = behind_while_waiting(world, theirs=theirs)
    world.limits = world.limits.model_copy(update={"max_rounds": 1})
    world.options = replace(world.options, runs_code=False)

    last = world.job()

    assert (last.outcome, last.head_sha, last.round) == (Outcome.APPROVED, held.head_sha, 1)
    assert last.base.behind
    assert [note.text for note in last.history[0].rules if "behind main" in note.text]
    (comment,) = (post.body for post in world.forge.pulls[0].comments)
    assert "behind main" in comment


@pytest.mark.parametrize("theirs", ["a1.py", "theirs.py"])
def test_an_approval_is_held_again_where_the_server_refuses_its_merge(
    world: World, theirs: str
) -> None:
    """A rule against merges, say: what was reviewed stays approved, and no agent is paid again."""
    held = behind_while_waiting(world, theirs=theirs)
    takes_no_work(world)

    after = world.job()
    assert (after.round, after.head_sha) == (1, held.head_sha)
    assert (after.lease, after.continue_to) == (None, None)

    last = world.to_the_end()
    assert (last.outcome, last.head_sha) == (Outcome.APPROVED, held.head_sha)
    assert last.base.behind
    assert world.server.work_tip == held.head_sha
    assert (world.asked(Role.WORKER), world.asked(Role.REVIEWER)) == ([1], [1])


def test_a_merge_to_be_reviewed_that_the_server_refuses_is_left_out(world: World) -> None:
    script = moving(world, Moving(world, theirs="a1.py"))
    world.script = reviewing(script, lambda: takes_no_work(world))
    last = world.to_the_end()

    assert (last.outcome, last.round) == (Outcome.APPROVED, 1)
    assert last.head_sha == world.server.work_tip == last.history[0].head_sha
    assert last.base.behind
    assert (world.asked(Role.WORKER), world.asked(Role.REVIEWER)) == ([1], [1, 1])


def test_a_merge_that_no_budget_is_left_to_review_is_left_out(world: World) -> None:
    script = moving(world, Moving(world, theirs="a1.py"))

    def costly(job: Assignment) -> Act:
        return replace(script(job), ended=AgentExit(spent=Spent(cost_usd=1.0)))

    world.script = costly
    world.limits = world.limits.model_copy(update={"max_cost_usd": 2.0})
    last = world.to_the_end()

    assert (last.outcome, last.round) == (Outcome.APPROVED, 1)
    assert last.head_sha == world.server.work_tip == last.history[0].head_sha
    assert last.base.behind
    assert world.asked(Role.REVIEWER) == [1]
