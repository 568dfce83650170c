"""What becomes of one attempt: taken, sent back once, tried again after a pause, or the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.engine.world import BLOCKER, World, approval, two_rounds
from tests.fakes import Act, MemoryWorkspace

from loop_kit.core.agent.diagnosis import Problem, ProblemKind
from loop_kit.core.card.scope import ScopeRules
from loop_kit.core.loop.findings import later_findings
from loop_kit.core.loop.rules.settings import Bar, Rules
from loop_kit.core.loop.state import CommandResult, Limits, Outcome, Phase, Role, Spent
from loop_kit.engine.options import Options
from loop_kit.errors import GitFailed
from loop_kit.ports import (
    AgentExit,
    Assignment,
    Confinement,
    Fingerprint,
    SandboxUnavailable,
    SetupFailed,
    WorkspaceGone,
)

Script = Callable[[Assignment], Act]


def first_attempt(role: Role, act: Act) -> Script:
    """`act` for the first attempt of `role` in round 1, then the usual two rounds."""

    def script(job: Assignment) -> Act:
        if job.role is role and (job.round, job.attempt) == (1, 1):
            return act
        return two_rounds(job)

    return script


def every_attempt(role: Role, act: Act) -> Script:
    return lambda job: act if job.role is role else two_rounds(job)


def test_a_worker_whose_report_does_not_fit_gets_the_reason_once(world: World) -> None:
    world.script = first_attempt(Role.WORKER, Act({"round": 7}, {"a.py": b"x\n"}, "Work"))

    state = world.job()

    assert state.state is Phase.AWAITING_WORK
    worker = [job for job in world.jobs if job.role is Role.WORKER]
    assert [job.attempt for job in worker] == [1, 2]
    assert "'round' mismatch: expected 1, got 7" in worker[1].prompt


CONFLICT = b"<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> z\n"


def test_conflict_markers_go_back_to_the_worker_once_and_are_never_pushed(world: World) -> None:
    def script(job: Assignment) -> Act:
        workspace = world.workspaces.at(job.workspace)
        if (job.role, job.round, job.attempt) == (Role.WORKER, 1, 1):
            workspace.files["kept.py"] = b"x\n"
            workspace.commit("Half")
            return Act({}, {"a.py": CONFLICT})
        if (job.role, job.round) == (Role.WORKER, 1):
            assert workspace.files["a.py"] == CONFLICT
            assert "Conflicts are not resolved in a.py" in job.prompt
            return Act({}, {"a.py": b"both\n"}, "Resolved")
        return two_rounds(job)

    world.script = script
    state = world.to_the_end()

    assert (state.outcome, world.asked(Role.WORKER)) == (Outcome.APPROVED, [1, 1, 2])
    pushed = world.repository.line(state.head_sha)
    assert CONFLICT not in [world.repository.read(sha, "a.py") for sha in pushed]
    assert world.repository.read(state.head_sha, "kept.py") == b"x\n"


def test_a_worker_that_leaves_conflict_markers_twice_ends_the_loop_and_may_be_resumed(
    world: World,
) -> None:
    world.script = every_attempt(Role.WORKER, Act({}, {"a.py": CONFLICT}))

    state = world.job()

    assert state.outcome is Outcome.GIT_COMPARE_FAILED
    assert "Conflicts are not resolved in a.py" in state.error
    assert state.resume_phase is Phase.AWAITING_WORK
    assert world.asked(Role.WORKER) == [1, 1]


def test_what_a_worker_left_is_noted_on_the_console_and_in_the_record(world: World) -> None:
    world.script = first_attempt(Role.WORKER, Act({}, {"a1.py": b"x\n", "debug.log": b"x\n"}))

    state = world.job()

    note = state.history[0].notes[0]
    assert note.endswith("leave such files: debug.log.")
    assert note in world.reporter.notes
    assert world.repository.read(state.head_sha, "debug.log") is None


def test_a_worker_that_left_only_what_tools_leave_changed_nothing(world: World) -> None:
    world.script = every_attempt(Role.WORKER, Act({}, {"debug.log": b"x\n"}))

    state = world.job()

    assert state.outcome is Outcome.WORKER_NOOP
    assert "debug.log" in state.error


def test_a_commit_that_only_the_report_names_is_judged(world: World) -> None:
    made = world.repository.commit(world.base, {"a.py": b"old\n", "a1.py": b"x\n"}, "Elsewhere")
    world.script = first_attempt(Role.WORKER, Act({"head_sha": made}))

    state = world.job()

    assert state.history[0].head_sha == made
    assert made[:10] in state.history[0].notes[0]


@pytest.mark.parametrize("role", [Role.WORKER, Role.REVIEWER])
def test_every_report_that_was_refused_is_kept_with_the_reason(world: World, role: Role) -> None:
    acts = {1: Act(b'{"half'), 2: Act({"round": 7, "decision": "maybe"})}
    world.script = lambda job: acts[job.attempt] if job.role is role else two_rounds(job)

    world.job()

    name = "work_report" if role is Role.WORKER else "review_report"
    kept = {n: world.server.files[f"archive/T-001/r1_{name}_refused_{n}.txt"] for n in (1, 2)}
    assert kept[1].startswith(b"Refused: the report is not readable as JSON")
    assert kept[1].endswith(b'\n\n{"half')
    assert kept[2].startswith(b"Refused: ")
    assert json.loads(kept[2].partition(b"\n\n")[2])["round"] == 7
    assert [note for note in world.reporter.notes if f"r1_{name}_refused_2.txt" in note]


def test_a_report_beside_a_change_out_of_scope_is_kept_too(world: World) -> None:
    world.options = Options(rules=ScopeRules(out_of_scope=("b.py",)))
    world.script = first_attempt(Role.WORKER, Act({}, {"b.py": b"x\n"}, "Work"))

    world.job()

    kept = world.server.files["archive/T-001/r1_work_report_refused_1.txt"].decode()
    assert "b.py" in kept.partition("\n\n")[0]


def test_an_attempt_without_a_report_leaves_nothing_in_the_archive(world: World) -> None:
    world.script = first_attempt(Role.WORKER, Act(None))

    world.job()

    assert not [name for name in world.server.files if "refused" in name]


def test_commits_of_a_worker_whose_report_did_not_fit_are_there_for_the_repair(
    world: World,
) -> None:
    world.script = first_attempt(Role.WORKER, Act(b"no json", {"kept.py": b"x\n"}, "Work"))

    state = world.job()

    assert world.repository.read(state.head_sha, "kept.py") == b"x\n"


@pytest.mark.parametrize(
    ("role", "report", "outcome"),
    [
        (Role.WORKER, b"no json", Outcome.INVALID_WORK_REPORT),
        (Role.WORKER, None, Outcome.WORKER_DISPATCH_FAILED),
        (Role.REVIEWER, {"decision": "maybe"}, Outcome.INVALID_REVIEW_REPORT),
        (Role.REVIEWER, {"decision": "changes_required"}, Outcome.INVALID_REVIEW_REPORT),
        (Role.REVIEWER, None, Outcome.REVIEWER_DISPATCH_FAILED),
    ],
)
def test_a_second_useless_report_ends_the_run_and_the_loop_can_be_resumed(
    world: World, role: Role, report: Any, outcome: Outcome
) -> None:
    usual, world.script = world.script, every_attempt(role, Act(report))

    state = world.job()

    assert state.outcome is outcome
    assert len([job for job in world.jobs if job.role is role]) == 2
    assert world.forge.dispatches == []
    world.script = usual
    assert world.to_the_end().outcome is Outcome.APPROVED


def test_an_approval_that_lists_blockers_is_sent_back(world: World) -> None:
    both = Act({"decision": "approve", "blocking_issues": [BLOCKER]})
    world.script = first_attempt(Role.REVIEWER, both)

    world.job()

    assert "approves and lists 1 blocking issue" in world.jobs[-1].prompt


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ({"criteria": [{"id": "C1", "met": True, "evidence": "seen"}]}, "without a verdict on C2"),
        ({"files_examined": []}, "without naming a file"),
        ({"files_examined": ["a.py"]}, "names none of the changed files"),
        ({"files_examined": ["a1.py", "no.py"]}, "names no.py in 'files_examined'"),
        ({"head_sha": ""}, "without 'head_sha'"),
        ({"head_sha": "0" * 40}, "the work to review is"),
        (
            {
                "criteria": [
                    {"id": "C1", "met": True, "evidence": "seen"},
                    {"id": "C2", "met": False},
                ]
            },
            "C2 is not met",
        ),
    ],
)
def test_strict_evidence_sends_an_empty_approval_back_and_then_stops(
    world: World, left_out: dict[str, Any], said: str
) -> None:
    def script(job: Assignment) -> Act:
        if job.role is Role.WORKER:
            return two_rounds(job)
        whole = approval(job).report
        assert isinstance(whole, dict)
        return Act({**whole, **left_out})

    world.script = script
    state = world.job()

    assert state.outcome is Outcome.INVALID_REVIEW_REPORT
    assert said in state.error
    assert said in world.jobs[-1].prompt
    assert [job.role for job in world.jobs] == [Role.WORKER, Role.REVIEWER, Role.REVIEWER]


def test_a_review_that_lacks_a_formal_field_is_completed_and_not_done_again(world: World) -> None:
    def script(job: Assignment) -> Act:
        if job.role is Role.WORKER:
            return two_rounds(job)
        whole = approval(job).report
        assert isinstance(whole, dict)
        words = {"summary": "I looked at everything"}
        return Act({**whole, **words, **({"files_examined": []} if job.attempt == 1 else {})})

    world.script = script

    assert world.job().outcome is Outcome.APPROVED
    _, first, repair = world.jobs
    assert "I looked at everything" not in first.prompt
    for words in ("I looked at everything", "only your report has to be corrected"):
        assert words in repair.prompt


def test_the_report_to_be_corrected_is_quoted_after_a_passing_failure_too(world: World) -> None:
    def script(job: Assignment) -> Act:
        if job.role is Role.WORKER or job.attempt == 3:
            return two_rounds(job) if job.role is Role.WORKER else approval(job)
        if job.attempt == 2:
            return Act(None, ended=AgentExit(exit_code=1))
        return Act({"summary": "I looked at everything", "decision": "approve"})

    world.script = script

    assert world.job().outcome is Outcome.APPROVED
    assert "I looked at everything" in world.jobs[-1].prompt


def test_a_fresh_review_after_a_void_one_is_not_shown_the_void_verdict(world: World) -> None:
    def script(job: Assignment) -> Act:
        if job.role is Role.WORKER:
            return two_rounds(job)
        verdict = approval(job).report
        assert isinstance(verdict, dict)
        changed = {"a.py": b"changed"} if job.attempt == 1 else {}
        return Act({**verdict, "summary": "I looked at everything"}, changed)

    world.script = script

    assert world.job().outcome is Outcome.APPROVED
    assert len(world.jobs) == 3
    assert "I looked at everything" not in world.jobs[-1].prompt


def test_lenient_evidence_takes_a_bare_approval(world: World) -> None:
    world.limits = world.limits.model_copy(update={"evidence": "lenient"})
    world.script = first_attempt(Role.REVIEWER, Act({"decision": "approve"}))

    assert world.job().outcome is Outcome.APPROVED


def test_a_reviewer_whose_changes_do_not_block_is_asked_again_and_may_approve(
    world: World,
) -> None:
    small = {"severity": "low", "file": "a.py", "reason": "no docstring", "scenario": "help(a)"}
    rules = Rules(bar=Bar(first_round=("high",)))
    world.limits = world.limits.model_copy(update={"rules": rules})

    def script(job: Assignment) -> Act:
        if job.role is Role.WORKER:
            return two_rounds(job)
        if job.attempt == 1:
            return Act({"decision": "changes_required", "blocking_issues": [small]})
        report = approval(job).report
        assert isinstance(report, dict)
        return Act({**report, "dispositions": []})

    world.script = script

    state = world.job()

    assert state.outcome is Outcome.APPROVED
    assert [finding.reason for finding in later_findings(state.findings)] == ["no docstring"]
    assert [job.role for job in world.jobs].count(Role.REVIEWER) == 2
    assert "no finding blocks: F1 is kept for later" in world.jobs[-1].prompt
    assert [name for name, _ in world.reporter.events].count("round_complete") == 1
    assert len(world.forge.pulls[0].posts) == 1


def test_a_transient_failure_is_tried_again_after_growing_pauses(world: World) -> None:
    world.limits = world.limits.model_copy(update={"dispatch_retry_base_sec": 5.0})
    broken = AgentExit(exit_code=1, problem=Problem(ProblemKind.NETWORK, "connection reset"))
    world.script = every_attempt(Role.WORKER, Act(None, ended=broken))

    state = world.job()

    assert state.outcome is Outcome.WORKER_DISPATCH_FAILED
    assert world.clock.slept == [5, 10]
    assert "Given up after 3 attempts." in state.error


def test_a_permanent_failure_is_not_tried_again(world: World) -> None:
    broken = AgentExit(exit_code=1, problem=Problem(ProblemKind.AUTHENTICATION, "invalid api key"))
    world.script = every_attempt(Role.WORKER, Act(None, ended=broken))

    state = world.job()

    assert state.outcome is Outcome.WORKER_DISPATCH_FAILED
    assert len(world.jobs) == 1
    assert "not retrying" in state.error
    assert "invalid api key. Set the key of fake" in state.error


def test_a_usable_report_counts_more_than_the_exit_code(world: World) -> None:
    act = Act({"notes": "done"}, {"a.py": b"x\n"}, "Work", AgentExit(exit_code=3))
    world.script = first_attempt(Role.WORKER, act)

    assert world.job().continue_to == 2


@pytest.mark.parametrize(
    ("role", "outcome"),
    [(Role.WORKER, Outcome.WORKER_TIMEOUT), (Role.REVIEWER, Outcome.REVIEWER_TIMEOUT)],
)
def test_a_timeout_without_a_report_is_no_dispatch_failure(
    world: World, role: Role, outcome: Outcome
) -> None:
    late = AgentExit(exit_code=-9, timed_out="timed out after 600 s")
    world.script = every_attempt(role, Act(None, ended=late))

    state = world.job()

    assert (state.outcome, state.exit_code) == (outcome, 2)


def test_a_worker_that_changes_nothing_is_a_noop(world: World) -> None:
    world.script = every_attempt(Role.WORKER, Act({}))

    assert world.job().outcome is Outcome.WORKER_NOOP


def test_what_a_worker_left_uncommitted_is_committed_for_it(world: World) -> None:
    world.script = first_attempt(Role.WORKER, Act({}, {"left.py": b"x\n"}))

    state = world.job()

    assert world.repository.read(state.head_sha, "left.py") == b"x\n"
    assert state.history[0].commits[0].endswith("what the worker left uncommitted")


def test_a_protected_path_goes_back_once_and_then_needs_a_person(world: World) -> None:
    world.options = Options(rules=ScopeRules(protected=("AGENTS.md",)))
    world.script = every_attempt(Role.WORKER, Act({}, {"AGENTS.md": b"obey\n"}, "Steer"))

    state = world.job()

    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("protected_path",))
    assert "AGENTS.md is protected" in world.jobs[1].prompt
    assert world.server.work_tip == world.base


def test_a_change_taken_back_by_a_later_commit_is_still_refused_where_commits_are_pushed(
    world: World,
) -> None:
    world.options = Options(rules=ScopeRules(protected=("AGENTS.md",)))

    def hiding(job: Assignment) -> Act:
        workspace = world.workspaces.at(job.workspace)
        workspace.files["AGENTS.md"] = b"obey\n"
        workspace.commit("Steer")
        return Act({}, {"AGENTS.md": None, "a.py": b"x\n"}, "Hide")

    world.script = hiding
    assert world.job().reasons == ("protected_path",)


def test_rewritten_history_ends_as_a_failed_comparison(world: World) -> None:
    def rewriting(job: Assignment) -> Act:
        world.workspaces.at(job.workspace).head = world.repository.commit("", {}, "New root")
        return Act({}, {"a.py": b"x\n"}, "On a new root")

    world.script = rewriting
    state = world.job()

    assert (state.outcome, state.exit_code) == (Outcome.GIT_COMPARE_FAILED, 3)
    assert "does not build on" in state.error


def touching(job: Assignment) -> Act:
    """A reviewer that changes a tracked file, then approves."""
    if job.role is Role.WORKER:
        return two_rounds(job)
    report = approval(job).report
    return Act(report, {"a.py": b"fixed by the reviewer\n"})


def test_a_reviewer_that_touches_the_code_gets_one_fresh_attempt_and_no_verdict(
    world: World,
) -> None:
    world.script = touching

    state = world.job()

    assert state.outcome is Outcome.INVALID_REVIEW_REPORT
    assert world.asked(Role.REVIEWER) == [1, 1]
    assert "changed HEAD, a ref, the index or a tracked file: a.py" in state.error
    note = "The reviewer is asked again: the reviewer changed HEAD, a ref, the index or a tracked"
    assert any(text.startswith(note) for text in world.reporter.notes)


def test_a_reviewer_that_leaves_new_files_is_believed(world: World) -> None:
    def leaving(job: Assignment) -> Act:
        act = two_rounds(job)
        if job.role is Role.REVIEWER:
            return Act(act.report, {"cache.bin": b"x"})
        return act

    world.script = leaving
    assert world.to_the_end().outcome is Outcome.APPROVED


def lose_the_first_review(world: World, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let the files of the first reviewer be such that looking at them is this error."""
    lost: list[Path] = []
    healthy = MemoryWorkspace.fingerprint

    def fingerprint(self: MemoryWorkspace) -> Fingerprint:
        if self.path in lost:
            raise error
        return healthy(self)

    def losing(job: Assignment) -> Act:
        if job.role is Role.REVIEWER and job.attempt == 1 and job.round == 1:
            lost.append(job.workspace)
        return two_rounds(job)

    monkeypatch.setattr(MemoryWorkspace, "fingerprint", fingerprint)
    world.script = losing


def test_a_reviewer_that_breaks_its_own_clone_voids_its_verdict_and_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = GitFailed("The agent replaced its `.git` folder.", "Run the round again.")
    lose_the_first_review(world, monkeypatch, broken)

    assert world.job().continue_to == 2
    assert world.asked(Role.REVIEWER) == [1, 1]


def test_a_reviewer_whose_files_were_cleaned_away_is_asked_again_and_not_blamed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = WorkspaceGone("The cache was removed while an agent worked in it.", "Wait.")
    lose_the_first_review(world, monkeypatch, gone)

    assert world.job().continue_to == 2
    assert world.asked(Role.REVIEWER) == [1, 1]
    feedback = [job.prompt for job in world.jobs if job.role is Role.REVIEWER][1]
    assert "The cache was removed" in feedback
    assert "the reviewer changed HEAD" not in feedback


def test_the_budget_stops_the_loop_before_the_next_spend(world: World) -> None:
    world.limits = world.limits.model_copy(update={"max_tokens": 100})

    def costly(job: Assignment) -> Act:
        act = two_rounds(job)
        ended = AgentExit(spent=Spent(tokens_in=90, tokens_out=20))
        return Act(act.report, act.files, act.commit, ended)

    world.script = costly
    state = world.job()

    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("budget",))
    assert "110 of 100 tokens are used." in state.error
    attempt = state.history[0].attempts[0]
    assert (attempt.backend, attempt.tokens_in, attempt.seconds) == ("fake", 90, 0)
    assert [job.role for job in world.jobs] == [Role.WORKER]
    assert state.resume_phase is Phase.AWAITING_REVIEW


def test_what_a_failed_attempt_spent_counts(world: World) -> None:
    world.limits = world.limits.model_copy(update={"max_cost_usd": 1.0})
    broken = AgentExit(exit_code=1, spent=Spent(cost_usd=1.5))
    world.script = every_attempt(Role.WORKER, Act(None, ended=broken))

    state = world.job()

    assert (state.outcome, len(world.jobs)) == (Outcome.NEEDS_HUMAN, 1)


def test_a_budget_in_money_that_cannot_count_a_backend_is_warned_of_once(world: World) -> None:
    world.limits = world.limits.model_copy(update={"max_cost_usd": 1.0})

    world.job()

    assert [text for text in world.reporter.warnings if "max-cost-usd" in text] == [
        "fake reported no cost, and its model is unknown: max-cost-usd does not count it."
        " Set a model with a price, max-tokens or max-minutes."
    ]


def test_a_backend_that_is_not_installed_costs_nothing(world: World) -> None:
    agent = world.agent()
    agent.missing = "Cannot find executable for backend=fake."
    engine = world.engine(agent=agent)
    engine.begin(world.start(), world.load())

    state = engine.run()

    assert state.outcome is Outcome.WORKER_DISPATCH_FAILED
    assert world.jobs == []


def test_verify_that_passes_at_base_is_said_to_prove_nothing(world: World) -> None:
    world.verify = ("ok",)
    world.job()
    assert any("they prove nothing about this task" in note for note in world.reporter.notes)


def test_a_scope_that_matches_no_file_is_warned_of(world: World) -> None:
    world.options = Options(rules=ScopeRules(out_of_scope=("docz/",)))
    world.job()
    (warning,) = world.reporter.warnings
    assert warning.startswith("'docz/' in out_of_scope matches no file")


def test_where_the_scope_is_strict_what_allows_nothing_is_warned_of_as_well(world: World) -> None:
    rules = ScopeRules(in_scope=("a*.py", "srcz/"), strict=True)
    world.options = Options(rules=rules)
    world.job()
    (warning,) = world.reporter.warnings
    assert warning.startswith("'srcz/' in in_scope matches no file: check how it is written.")


def test_a_strict_scope_in_which_nothing_is_a_place_says_that_it_restricts_nothing(
    world: World,
) -> None:
    world.card = world.card.model_copy(update={"in_scope": ("the parser",)})
    world.options = Options(rules=ScopeRules(strict=True))
    world.job()
    (warning,) = world.reporter.warnings
    assert warning.startswith("`scope: strict` restricts nothing here")


def test_verify_that_cannot_start_at_base_stops_the_loop_unspent(world: World) -> None:
    world.verify = ("missing",)

    state = world.job()

    assert (state.outcome, world.jobs) == (Outcome.VERIFY_UNAVAILABLE, [])


def test_a_workspace_that_cannot_be_prepared_stops_the_loop_unspent(world: World) -> None:
    world.verify = ("proof.txt",)
    printed = CommandResult(command="npm ci", exit_code=1, tail="no lock file\nat all")
    world.workspaces.broken = SetupFailed("`npm ci` failed.", "Correct it.", printed)

    state = world.job()

    assert (state.outcome, world.jobs) == (Outcome.SETUP_FAILED, [])
    assert (state.error, state.failed_setup) == ("`npm ci` failed. Correct it.", printed)
    assert world.verifier.verified == []
    assert world.reporter.notes.count("  at all") == 1


def test_a_loop_continues_when_its_workspaces_can_be_prepared_again(world: World) -> None:
    world.workspaces.broken = SetupFailed("`npm ci` failed.", "Correct it.")
    world.job()
    world.workspaces.broken = None

    assert world.to_the_end().outcome is Outcome.APPROVED
    assert world.asked(Role.WORKER) == [1, 2]


def test_what_confines_the_programs_is_recorded_and_a_room_that_is_missing_is_an_error_once(
    world: World,
) -> None:
    world.sandbox.answer = Confinement("none; network: open", "Agents can read secrets. Add it.")

    state = world.to_the_end()

    assert (state.outcome, state.sandbox) == (Outcome.APPROVED, "none; network: open")
    assert world.reporter.notes.count("Sandbox: none; network: open.") == 2
    assert world.reporter.errors == ["Agents can read secrets. Add it."]


def test_on_a_laptop_a_room_that_is_missing_is_a_note(tmp_path: Path) -> None:
    local = World(tmp_path, local=True)
    local.sandbox.answer = Confinement("none; network: open", "Agents can read your files.")

    local.to_the_end()

    assert "Agents can read your files." in local.reporter.notes
    assert (local.reporter.warnings, local.reporter.errors) == ([], [])


def test_nobody_is_paid_where_a_room_is_required_and_cannot_be_built(world: World) -> None:
    world.sandbox.answer = SandboxUnavailable("No room can be built.", "Add it.")

    state = world.job()

    assert (state.outcome, world.jobs) == (Outcome.SANDBOX_UNAVAILABLE, [])
    assert (state.error, state.exit_code) == ("No room can be built. Add it.", 3)
    assert world.workspaces.prepared == []
    world.sandbox.answer = None
    assert world.to_the_end().outcome is Outcome.APPROVED


def test_a_workspace_is_prepared_once_for_each_process(world: World) -> None:
    world.to_the_end()

    assert len(world.workspaces.prepared) == len(world.asked(Role.WORKER)) == 2


def test_an_approval_of_what_does_not_verify_becomes_a_finding(world: World) -> None:
    world.verify = ("proof.txt",)
    world.script = first_attempt(Role.REVIEWER, approval(Job_for_approval))

    state = world.job()

    assert state.history[0].decision == "changes_required"
    assert "verify command failed: proof.txt" in state.findings[0].reason
    assert world.verifier.verified[0] == world.base


Job_for_approval = Assignment(Role.REVIEWER, "T-001", 1, 1, "", Path(), Path(), Path(), "")


def test_a_push_by_a_person_stops_the_loop_and_asks(world: World) -> None:
    world.job()
    theirs = world.repository.commit(world.server.work_tip, {"b.py": b"mine\n"}, "Mine")
    world.server.work_tip = theirs

    state = world.job()

    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("human_push",))
    assert world.asked(Role.WORKER) == [1]
    assert world.server.work_tip == theirs

    state = world.to_the_end()
    assert state.outcome is Outcome.APPROVED
    assert theirs in world.repository.line(state.head_sha)


def test_a_push_by_a_person_during_an_attempt_loses_neither_their_work_nor_the_workers(
    world: World,
) -> None:
    theirs: list[str] = []

    def pushed_meanwhile(job: Assignment) -> Act:
        if job.role is Role.WORKER and not theirs:
            theirs.append(world.repository.commit(world.base, {"b.py": b"mine\n"}, "Mine"))
            world.server.work_tip = theirs[0]
        return two_rounds(job)

    world.script = pushed_meanwhile
    state = world.job()

    assert (state.outcome, state.reasons) == (Outcome.NEEDS_HUMAN, ("human_push",))
    assert world.server.work_tip == theirs[0]
    assert world.repository.commits[world.server.held[0]].subject == "Round 1"
    assert world.asked(Role.REVIEWER) == []
    assert "held-" in state.error


def test_every_workspace_is_closed_whatever_happens(world: World) -> None:
    world.script = touching
    world.job()

    assert all(workspace.closed for workspace in world.workspaces.opened)
    assert world.mailbox.folders == {}


def test_an_agent_is_given_no_more_than_what_is_left_to_spend(world: World) -> None:
    world.limits = Limits(evidence="strict", max_minutes=2, max_cost_usd=1.0)
    world.options = Options(dispatch_timeout=600, max_turns=9)

    def script(job: Assignment) -> Act:
        act = two_rounds(job)
        return replace(act, ended=AgentExit(spent=Spent(agent_seconds=30, cost_usd=0.25)))

    world.script = script
    world.job()
    worker, reviewer = world.jobs
    assert (worker.timeout, worker.max_cost_usd, worker.max_turns) == (120, 1.0, 9)
    assert (reviewer.timeout, reviewer.max_cost_usd) == (90, 0.75)
