"""A process may die between any two calls; the next one finishes the loop, and pays nobody twice.

Each test counts the calls of an undisturbed loop and then runs the loop once per call, with the
process dying there: before the call, so that it never happened, and after it, so that it did.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from pathlib import Path

import pytest
from tests.engine.memory_forge import Post
from tests.engine.world import BLOCKER, Died, Fuse, World, two_rounds
from tests.fakes import Act

from loop_kit.core.loop.state import LoopState, Outcome, Phase, Role, parse_state
from loop_kit.errors import ForgeUnavailable
from loop_kit.ports import Assignment


def story(world: World, state: LoopState) -> object:
    """What must be the same however often a process died; work may be in more commits then."""
    tree = {sha: commit.tree for sha, commit in world.repository.commits.items()}
    return (
        state.outcome,
        state.round,
        tree[state.head_sha],
        state.usage.rounds,
        [(r.round, tree[r.head_sha], r.decision, r.new_findings) for r in state.history],
        [(f.id, f.status) for f in state.findings],
        [(item.key, item.status) for item in state.outbox],
        [(d.round, d.worker_notes, d.review_decision) for d in state.round_details],
    )


def ending(world: World) -> object:
    """The story of a loop that nothing hinders any more."""
    return story(world, world.to_the_end())


def count_calls(folder: Path, *, local: bool, verify: tuple[str, ...] = ()) -> int:
    world = World(folder, local=local, verify=verify)
    fuse = Fuse()
    state = world.job(fuse)
    while state.continue_to is not None:
        state = world.job(fuse)
    return len(fuse.passed)


def saved_reports(world: World) -> set[tuple[Role, int]]:
    """The attempts whose result is durable."""
    if not world.server.state:
        return set()
    state = parse_state(world.server.state)
    worked = {(Role.WORKER, record.round) for record in state.history}
    return worked | {(Role.REVIEWER, r.round) for r in state.history if r.decision}


def posts_per_key(world: World) -> set[int]:
    """How often each post was made: reviews, comments and comments on lines."""
    inline = [post.body.splitlines()[0] for pull in world.forge.pulls for post in pull.inline]
    return set(Counter([*world.posted(), *world.commented(), *inline]).values())


def on_a_line(job: Assignment) -> Act:
    """The two rounds, with a finding on a line that the first round wrote."""
    if (job.role, job.round) != (Role.REVIEWER, 1):
        return two_rounds(job)
    issue = {**BLOCKER, "file": "a1.py", "line": 1}
    return Act({"decision": "changes_required", "blocking_issues": [issue]})


def crash_and_finish(world: World, fuse: Fuse) -> LoopState:
    """Run jobs with a fuse until it burns, then without one to the end."""
    for _ in range(6):
        try:
            state = world.job(fuse)
        except Died:
            break
        if state.continue_to is None:
            return state
    before, paid = saved_reports(world), len(world.jobs)
    state = world.to_the_end()
    again = {(job.role, job.round) for job in world.jobs[paid:]}
    assert not before & again, f"paid twice after {fuse.passed[-1]}"
    return state


@pytest.mark.parametrize(
    ("local", "verify"),
    [(False, ()), (True, ()), (False, ("a.py",))],
    ids=["in CI", "local", "in CI, with a claim before the base is verified"],
)
def test_wherever_a_process_dies_the_next_one_finishes_the_same_loop(
    tmp_path: Path, *, local: bool, verify: tuple[str, ...]
) -> None:
    expected = ending(World(tmp_path, local=local, verify=verify))

    for n in range(1, count_calls(tmp_path, local=local, verify=verify) + 1):
        world, fuse = World(tmp_path, local=local, verify=verify), Fuse(n)
        assert story(world, crash_and_finish(world, fuse)) == expected, fuse.passed[-1]
        assert posts_per_key(world) <= {1}, fuse.passed[-1]
        assert len(world.forge.pulls) == int(not local), fuse.passed[-1]


def test_wherever_a_process_dies_a_finding_is_posted_once_on_its_line_and_marked(
    tmp_path: Path,
) -> None:
    undisturbed, fuse = World(tmp_path, on_a_line), Fuse()
    while undisturbed.job(fuse).continue_to is not None:
        pass

    for n in range(1, len(fuse.passed) + 1):
        world, dying = World(tmp_path, on_a_line), Fuse(n)
        crash_and_finish(world, dying)
        (pull,) = world.forge.pulls
        (comment,) = pull.inline
        assert "**Fixed in " in comment.body, dying.passed[-1]
        assert posts_per_key(world) == {1}, dying.passed[-1]
        assert pull.labels == {"loop:approved"}, dying.passed[-1]
        assert not pull.draft, dying.passed[-1]
        assert world.forge.statuses[-1][1] == "success", dying.passed[-1]


@pytest.mark.parametrize("role", [Role.WORKER, Role.REVIEWER])
def test_an_agent_that_takes_the_process_down_is_run_again_as_the_next_attempt(
    tmp_path: Path, role: Role
) -> None:
    world = World(tmp_path)
    deaths = iter([Died("agent")])

    def deadly(job: Assignment) -> object:
        if job.role is role:
            for death in deaths:
                raise death
        return two_rounds(job)

    world.script = deadly  # type: ignore[assignment]
    with pytest.raises(Died):
        world.job()

    assert world.to_the_end().outcome is Outcome.APPROVED
    first = [job.attempt for job in world.jobs if job.role is role and job.round == 1]
    assert first == [1, 2]
    assert world.asked(Role.WORKER).count(1) == (2 if role is Role.WORKER else 1)


def calls_of_one_run(folder: Path, *, local: bool) -> range:
    """The calls that one run over all rounds makes, without those that begin it."""
    world, fuse = World(folder, local=local), Fuse()
    engine = world.engine(fuse)
    engine.begin(world.start(), world.load())
    began = len(fuse.passed)
    engine.run()
    return range(began + 1, len(fuse.passed) + 1)


def interrupted_loop(world: World, n: int) -> tuple[LoopState, str]:
    fuse = Fuse(n, KeyboardInterrupt)
    engine = world.engine(fuse)
    try:
        engine.begin(world.start(), world.load())
        state = engine.run()
    except KeyboardInterrupt:
        state = engine.state
    return state, fuse.passed[n - 1]


@pytest.mark.parametrize("local", [False, True], ids=["in CI", "local"])
def test_an_interruption_anywhere_leaves_a_loop_that_resumes_to_the_same_end(
    tmp_path: Path, *, local: bool
) -> None:
    expected = ending(World(tmp_path, local=local))

    for n in calls_of_one_run(tmp_path, local=local):
        world = World(tmp_path, local=local)
        state, where = interrupted_loop(world, n)
        assert state.state is Phase.DONE, where
        assert ending(world) == expected, where
        assert posts_per_key(world) <= {1}, where


@pytest.mark.parametrize("local", [False, True], ids=["in CI", "local"])
def test_an_interruption_never_loses_what_the_reviewer_wants_fixed_nor_a_file_of_the_bus(
    tmp_path: Path, *, local: bool
) -> None:
    undisturbed = World(tmp_path, local=local)
    undisturbed.to_the_end()

    for n in calls_of_one_run(tmp_path, local=local):
        world = World(tmp_path, local=local)
        _, where = interrupted_loop(world, n)
        world.to_the_end()
        second = [j for j in world.jobs if j.role is Role.WORKER and j.round == 2]
        assert all("F1 [high] a.py: wrong" in job.prompt for job in second), where
        assert sorted(world.server.files) == sorted(undisturbed.server.files), where


def test_an_interruption_during_an_attempt_is_recorded_as_one(world: World) -> None:
    def interrupting(job: Assignment) -> object:
        raise KeyboardInterrupt

    world.script = interrupting  # type: ignore[assignment]
    state = world.job()

    assert (state.outcome, state.resume_phase) == (Outcome.INTERRUPTED, Phase.AWAITING_WORK)
    assert state.exit_code == 130
    assert world.forge.dispatches == []


def interrupt_job(world: World, fuse: Fuse, n: int) -> None:
    """Run jobs until one is interrupted at call `n`, wherever that is."""
    while len(fuse.passed) < n:
        with contextlib.suppress(KeyboardInterrupt):
            world.job(fuse)


def delivered(world: World) -> set[tuple[Role, int]]:
    """The rounds of the agents that have run to their end, but for the newest call."""
    return {(job.role, job.round) for job in world.jobs[:-1]}


@pytest.mark.parametrize("verify", [(), ("a.py",)], ids=["plain", "with verify commands"])
def test_an_interruption_anywhere_in_a_job_is_saved_and_the_lease_released(
    tmp_path: Path, verify: tuple[str, ...]
) -> None:
    expected = ending(World(tmp_path, verify=verify))

    for n in range(1, count_calls(tmp_path, local=False, verify=verify) + 1):
        world, fuse = World(tmp_path, verify=verify), Fuse(n, KeyboardInterrupt)
        interrupt_job(world, fuse, n)
        where = fuse.passed[n - 1]
        if world.server.state:
            state = parse_state(world.server.state)
            assert state.lease is None, where
            assert state.outcome in {Outcome.INTERRUPTED, Outcome.APPROVED, None}, where
        cut_short = where.endswith("agent.run")
        paid = delivered(world) if cut_short else {(j.role, j.round) for j in world.jobs}
        assert paid <= saved_reports(world), where
        again = len(world.jobs)
        assert ending(world) == expected, where
        assert not paid & {(j.role, j.round) for j in world.jobs[again:]}, where
        assert posts_per_key(world) <= {1}, where


def test_an_interrupted_job_saves_within_four_seconds_and_dispatches_nothing(
    tmp_path: Path,
) -> None:
    calls = Fuse()
    World(tmp_path).job(calls)
    n = calls.passed.index("before forge.dispatch") + 1
    world = World(tmp_path)

    state = world.job(Fuse(n, KeyboardInterrupt))

    assert (state.outcome, state.lease) == (Outcome.INTERRUPTED, None)
    assert world.forge.dispatches == []
    assert world.time_limits() == [4]


def test_wherever_the_forge_stops_answering_each_post_is_made_once(tmp_path: Path) -> None:
    for n in range(1, count_calls(tmp_path, local=False) + 1):
        world, fuse = World(tmp_path), Fuse(n, ForgeUnavailable_)
        state = _job_or_nothing(world, fuse)
        if not fuse.passed[-1].partition(" ")[2].startswith("forge.") and state is None:
            continue
        assert world.to_the_end().outcome is Outcome.APPROVED, fuse.passed[n - 1]
        assert posts_per_key(world) == {1}, fuse.passed[n - 1]


class ForgeUnavailable_(ForgeUnavailable):  # noqa: N801
    """The error, made from a single argument."""

    def __init__(self, where: str) -> None:
        super().__init__(where, "Later.")


def _job_or_nothing(world: World, fuse: Fuse) -> LoopState | None:
    try:
        return world.job(fuse)
    except ForgeUnavailable:
        return None


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_comment_of_this_account_with_a_copied_marker_is_not_taken_for_ours(
    tmp_path: Path, when: str
) -> None:
    """The token may be a person's; the process dies just before or after it has commented."""
    undisturbed = Fuse()
    World(tmp_path).job(undisturbed)
    world = World(tmp_path)
    with pytest.raises(Died):
        world.job(Fuse(undisturbed.passed.index(f"{when} forge.put_comment") + 1))
    copied = "<!-- loop-kit:T-001:status-comment -->\nWhat do you think of this?"
    world.forge.pulls[0].comments.insert(0, Post("4242", world.forge.me, copied))

    world.to_the_end()

    comments = world.forge.pulls[0].comments
    assert comments[0].body == copied
    assert len(comments) == 2


def test_what_an_older_version_intended_is_found_by_its_marker_alone(tmp_path: Path) -> None:
    undisturbed = Fuse()
    World(tmp_path).job(undisturbed)
    world = World(tmp_path)
    with pytest.raises(Died):
        world.job(Fuse(undisturbed.passed.index("before forge.put_comment") + 1))
    state = json.loads(world.server.state)
    world.server.state = json.dumps(
        {**state, "outbox": [{**item, "nonce": ""} for item in state["outbox"]]}
    ).encode()
    earlier = "<!-- loop-kit:T-001:status-comment -->\nby the older version"
    world.forge.pulls[0].comments.append(Post("4242", world.forge.me, earlier))

    world.to_the_end()

    assert [post.id for post in world.forge.pulls[0].comments] == ["4242"]
