"""Every advice of a run that stops works: it is followed to the letter, and the loop continues.

One table. What a line says to do first is done; the command is typed as it was printed.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.cli.harness import SENT_BACK, Repo, Result, Steps, assert_refused

OUTSIDE: Steps = [{"write": {"secret.txt": "x\n"}}, {"commit": "Outside"}, {"report": {}}]
RIGHT: Steps = [{"write": {"calc.py": "VALUE = 1\n"}}, {"commit": "Value"}, {"report": {}}]


def nothing(repo: Repo, result: Result) -> None:
    """Nothing is to be done first."""


def correct_the_card(repo: Repo, result: Result) -> None:
    """The verify command is spelt right."""
    repo.card(verify=["true"])


def provide_what_setup_needs(repo: Repo, result: Result) -> None:
    """What the setup command needs is there."""
    (repo.home / "ready").touch()


@dataclass(frozen=True)
class Case:
    """How a run stops, what it says, and what is done before its command is typed."""

    outcome: str
    advice: str
    plan: dict[str, Steps]
    flags: tuple[str, ...] = ()
    card: tuple[tuple[str, object], ...] = ()
    first: Callable[[Repo, Result], None] = nothing


CASES = {
    "scope": Case(
        *("needs_human", "edit the task card and add --refresh-card", {"worker": OUTSIDE}),
        card=(("out_of_scope", ["secret.txt"]),),
    ),
    "max rounds": Case(
        *("max_rounds_exhausted", "--max-rounds 2", {"reviewer/1": SENT_BACK}),
        ("--max-rounds", "1"),
    ),
    "max rounds of the card": Case(
        *("max_rounds_exhausted", "--max-rounds 2", {"reviewer/1": SENT_BACK}),
        card=(("limits", {"max_rounds": 1}),),
    ),
    "verify unavailable": Case(
        *("verify_unavailable", "--refresh-card", {}),
        card=(("verify", ["no-such-program -q"]),),
        first=correct_the_card,
    ),
    "setup failed": Case(
        *("setup_failed", "Correct --workspace-setup", {}),
        ("--workspace-setup", 'test -f "$HOME/ready"'),
        first=provide_what_setup_needs,
    ),
    "invalid work report": Case(
        *("invalid_work_report", "Continue with:", {"worker": [*RIGHT[:2], {"raw": "{"}]}),
    ),
    "invalid review report": Case(
        *("invalid_review_report", "Continue with:", {"reviewer": [{"raw": "{"}]}),
    ),
    "nothing changed": Case(
        *("worker_noop", "edit it and add --refresh-card", {"worker": [{"report": {}}]}),
    ),
    "authentication": Case(
        *("worker_dispatch_failed", "Log in to codex"),
        {"worker": [{"stderr": "unauthorized"}, {"exit": 1}]},
    ),
    "timeout": Case(
        *("worker_timeout", "Continue with:", {"worker": [{"gate": "never"}]}),
        ("--dispatch-timeout", "1"),
    ),
}


def printed(result: Result) -> list[str]:
    """The words after `loop` of the first command that was printed."""
    return commands(result)[0]


def commands(result: Result) -> list[list[str]]:
    """The words after `loop` of each command that continues the loop, in their order."""
    _, *ways = result.out.split("Continue with:\n")
    return [read_words(re.sub(r"\n\S.*\Z", "", way, flags=re.DOTALL)) for way in ways]


def read_words(command: str) -> list[str]:
    program, *words = shlex.split(" ".join(command.split()))
    assert program == "loop"
    return words


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_loop_continues_past_its_stop_when_the_advice_is_followed(repo: Repo, case: Case) -> None:
    repo.card(**dict(case.card))
    repo.plan(case.plan)
    stopped = repo.run(*case.flags)
    assert repo.ended == ("done", case.outcome), stopped.text
    assert case.advice in " ".join(stopped.text.split())

    case.first(repo, stopped)
    repo.plan({})
    done = repo.loop(*printed(stopped))

    assert repo.ended == ("done", "approved"), done.text


def spent(repo: Repo, cost: float) -> None:
    """The agents report what they cost."""
    state = repo.state
    state["usage"] = {**state.get("usage", {}), "cost_usd": cost}
    (repo.folder / "state.json").write_text(json.dumps(state), "utf-8")


@pytest.mark.parametrize("limit", ["flag", "card"])
def test_a_budget_that_is_used_up_is_raised_by_the_printed_command(repo: Repo, limit: str) -> None:
    repo.card(**({"limits": {"max_cost_usd": 0.5}} if limit == "card" else {}))
    flags = ("--max-cost-usd", "0.5") if limit == "flag" else ()
    repo.plan({"reviewer/1": SENT_BACK})
    repo.run(*flags, "--single-round", "--round", "1")
    spent(repo, 0.61)

    stopped = repo.run("--resume")

    assert repo.ended == ("done", "needs_human"), stopped.text
    assert "0.61 of 0.50 USD are used" in stopped.out
    assert printed(stopped)[-3:] == ["--max-cost-usd", "1", "--resume"]
    assert repo.loop(*printed(stopped)).code == 0
    assert repo.state["limits"]["max_cost_usd"] == 1


def test_commits_that_were_refused_reach_no_branch(repo: Repo) -> None:
    base = repo.head
    repo.card(out_of_scope=["secret.txt"])
    repo.plan({"worker": OUTSIDE})
    repo.run()

    assert {repo.head, repo.git("rev-parse", "loop/T-001/work")} == {base}


def test_a_refused_change_that_the_card_allows_now_is_judged_by_the_new_card(repo: Repo) -> None:
    repo.card(out_of_scope=["secret.txt"])
    repo.plan({"worker": OUTSIDE})
    repo.run()
    repo.card()
    repo.plan({})

    done = repo.run("--resume", "--refresh-card")

    assert repo.ended == ("done", "approved"), done.text


def test_a_card_is_refreshed_only_with_resume(repo: Repo) -> None:
    assert_refused(repo.run("--refresh-card"), 3, "--refresh-card is for --resume")


@pytest.mark.parametrize("answer", [0, 1, 2], ids=["extend", "dismiss", "waive"])
def test_every_answer_continues_a_loop_that_used_all_of_its_rounds(repo: Repo, answer: int) -> None:
    repo.card()
    repo.plan({"reviewer/1": SENT_BACK})
    stopped = repo.run("--max-rounds", "1")
    assert "F1 (calc.py:1): VALUE is wrong\nWhat should become of F1?\n" in stopped.out
    assert len(commands(stopped)) == 3, stopped.out

    repo.plan({})
    words = [word.replace("…", "it is intended") for word in commands(stopped)[answer]]
    done = repo.loop(*words)

    assert repo.ended == ("done", "approved"), done.text
    status = repo.state["findings"][0]["status"]
    assert status == ("fixed", "dismissed", "waived")[answer]
    said = ("", "/loop dismiss: F1 is dismissed: wrong. ", "/loop waive: F1 is waived: real, but")
    assert said[answer] in done.out
    assert len([name for name in repo.names if name.startswith("worker/2")]) == (answer == 0)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--waive", "F1"), ("--waive is for --resume",)),
        (("--resume", "--waive", "F9"), ("F9 is no finding of this loop", "Open are F1.")),
        (("--resume", "--dismiss", "F1"), ("--dismiss 'F1' cannot be read", "because")),
        (("--resume", "--require", "one"), ("--require 'one' cannot be read",)),
    ],
)
def test_a_decision_that_changes_nothing_is_refused_before_anything_is_spent(
    repo: Repo, flags: tuple[str, ...], words: tuple[str, ...]
) -> None:
    repo.card()
    repo.plan({"reviewer/1": SENT_BACK})
    repo.run("--max-rounds", "1")
    calls = len(repo.calls)

    assert_refused(repo.run(*flags), 3, *words)

    assert len(repo.calls) == calls


def test_status_says_why_a_loop_stopped_what_it_cost_and_what_to_type(repo: Repo) -> None:
    repo.card()
    repo.plan({"reviewer/1": SENT_BACK})
    ended = repo.run("--max-rounds", "1")

    lines = repo.loop("status").out.splitlines()

    assert "Why: The only round is used and 1 finding is open." in lines
    assert "Goal: Make VALUE right." in lines
    assert any(line.startswith("Used: 1 of 1 round, ") for line in lines)
    assert any(line.startswith("  1: changes required, ") for line in lines)
    (finding,) = lines[lines.index("Open findings:") + 1 : lines.index("Next:")][:1]
    assert finding.startswith("  F1 ")
    assert finding.endswith("(since round 1)")
    commands = [line for line in ended.text.splitlines() if line.startswith("  loop run ")]
    assert len(commands) > 1
    assert [command for command in commands if f"  {command}" not in lines] == []


def test_what_status_says_to_type_continues_the_loop(repo: Repo) -> None:
    repo.card()
    repo.plan({"reviewer/1": SENT_BACK})
    repo.run("--max-rounds", "1")
    lines = repo.loop("status").out.splitlines()
    command = next(line.strip() for line in lines if "loop run" in line and "--max-rounds" in line)

    repo.plan({})
    assert repo.loop(*shlex.split(command)[1:]).code == 0

    after = repo.loop("status").out.splitlines()
    assert "Outcome: approved" in after
    assert not [line for line in after if "loop run" in line]


def test_a_run_that_was_killed_is_continued_by_what_status_says(repo: Repo) -> None:
    repo.card()
    repo.plan({"worker/1/1": [{"gate": "middle"}, {"write": {"calc.py": "1"}}, {"report": {}}]})
    process = repo.start()
    repo.reached("middle")

    running = repo.loop("status").out.splitlines()
    process.kill()
    process.wait()
    cut_off = repo.loop("status").out.splitlines()

    assert any("Nothing: it is running. worker in round 1" in line for line in running)
    assert "  Continue with:" in cut_off
    assert "    loop run --auto-dispatch --resume" in cut_off
