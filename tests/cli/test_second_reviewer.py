"""A second reviewer on a laptop: what it is asked, and what is printed, recorded and continued."""

from __future__ import annotations

from typing import Any

from tests.cli.harness import SENT_BACK, Call, Repo, Steps, assert_refused

SECOND = ("--second-reviewer", "claude")
REQUIRED = (*SECOND, "--second-reviewer-mode", "required")
DOWN: Steps = [{"stderr": "Overloaded"}, {"exit": 1}]


def program(call: Call) -> str:
    return call.argv[0].rpartition("/")[2]


def test_what_one_reviewer_approves_the_second_looks_at_too(repo: Repo) -> None:
    result = repo.run(*SECOND)

    assert result.code == 0, result.text
    first, again, second, _ = repo.calls[1:]
    assert [program(call) for call in repo.calls[1:]] == ["codex", "codex", "claude", "claude"]
    assert second.name == first.name == "reviewer/1/1"
    assert again.name == "reviewer/1/2"
    assert "Only two things count" in again.stdin
    for name in ("review_request.json", "state.json", "task_card.json"):
        assert first.mailbox[name] == second.mailbox[name]
    assert "Approved in round 1 by 2 reviewers (codex, claude)." in result.text
    assert "Approved by: 2 reviewers (codex, claude)" in repo.loop("status").out
    assert repo.json("archive/T-001/r1_second_review_report.json")["decision"] == "approve"
    assert (repo.folder / "logs" / "second_reviewer_dispatch.log").exists()


def test_what_it_finds_goes_to_the_worker_and_both_look_again(repo: Repo) -> None:
    repo.plan({"claude:reviewer/1": SENT_BACK})

    result = repo.run(*SECOND)

    assert result.code == 0, result.text
    rounds = [(call.role, call.round) for call in repo.calls]
    assert rounds == [("worker", 1), *[("reviewer", 1)] * 4, ("worker", 2), *[("reviewer", 2)] * 2]
    state = repo.state
    assert [(finding["by"], finding["status"]) for finding in state["findings"]] == [
        ("second", "fixed")
    ]
    verdicts: list[Any] = state["history"][0]["reviews"]
    assert [(one["reviewer"], one["decision"]) for one in verdicts] == [
        ("codex", "approve"),
        ("claude", "changes_required"),
    ]


def test_a_second_reviewer_that_is_down_is_done_without_and_the_approval_says_so(
    repo: Repo,
) -> None:
    repo.plan({"claude:reviewer": DOWN})

    result = repo.run(*SECOND)

    assert result.code == 0, result.text
    assert "Approved in round 1 by 1 reviewer (codex); the second, claude," in result.text
    assert "The second reviewer is not asked again: " in result.text
    assert "1 reviewer (codex); the second, claude, could" in repo.loop("status").out


def test_a_required_one_that_is_down_ends_the_loop_and_resume_asks_it_alone(repo: Repo) -> None:
    repo.plan({"claude:reviewer": DOWN})
    result = repo.run(*REQUIRED)
    assert result.code == 2, result.text
    assert repo.ended == ("done", "reviewer_dispatch_failed")
    paid = len(repo.calls)

    repo.plan({})
    result = repo.run("--resume", *REQUIRED)

    assert result.code == 0, result.text
    again = repo.calls[paid:]
    assert [(program(call), call.role) for call in again] == [("claude", "reviewer")] * 2
    assert "by 2 reviewers (codex, claude)" in result.text


def test_one_that_is_not_installed_is_found_before_anything_is_spent(repo: Repo) -> None:
    (repo.bin / "claude").unlink()

    warned = repo.run(*SECOND)
    assert warned.code == 0, warned.text
    assert "The second reviewer cannot be asked: Cannot find executable" in warned.text
    assert "by 1 reviewer (codex)" in warned.text

    paid = len(repo.calls)
    refused = repo.run(*REQUIRED)
    assert refused.code == 2, refused.text
    assert len(repo.calls) == paid


def test_a_backend_that_nobody_knows_is_refused_where_it_is_required(repo: Repo) -> None:
    unknown = ("--second-reviewer", "cloude")

    refused = repo.run(*unknown, "--second-reviewer-mode", "required")
    assert_refused(refused, 3, "Unknown backend 'cloude' for the second reviewer", "claude")
    assert repo.calls == []

    warned = repo.run(*unknown)
    assert warned.code == 0, warned.text
    assert "The second reviewer cannot be asked: Unknown backend 'cloude'" in warned.text


def test_the_same_model_is_a_second_pass_and_is_called_that(repo: Repo) -> None:
    result = repo.run("--second-reviewer", "codex")

    assert result.code == 0, result.text
    assert "a second pass, not a second opinion" in result.text
    assert "by 2 reviewers (codex, codex; the same model twice)" in result.text

    repo.git("reset", "--quiet", "--hard", repo.state["base_sha"])
    other = repo.run("--second-reviewer", "codex:o9")
    assert "by 2 reviewers (codex, codex:o9)" in other.text
    assert "a second pass" not in other.text


def test_people_that_review_are_no_second_program(repo: Repo) -> None:
    (repo.folder / "config.yaml").write_text(
        "second-reviewer: claude\nsecond-reviewer-mode: required\n"
    )

    refused = repo.loop("run", "--timeout", "1")

    assert_refused(refused, 3, "The second reviewer has to be a program", "--auto-dispatch")


def test_doctor_names_it_and_needs_it_only_where_it_is_required(repo: Repo) -> None:
    (repo.bin / "claude").unlink()
    without = repo.loop("doctor")
    optional = repo.loop("doctor", env={"LOOP_SECOND_REVIEWER": "claude"})
    assert "second_reviewer claude" in optional.out

    required = {"LOOP_SECOND_REVIEWER": "claude", "LOOP_SECOND_REVIEWER_MODE": "required"}
    strict = repo.loop("doctor", env=required)
    assert strict.code == 3, strict.text
    assert optional.code == without.code
