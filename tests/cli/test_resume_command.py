"""The command that a run prints when it stops continues it, whatever the run began with."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import typer
from tests.cli.harness import SENT_BACK, Repo, Result, Steps

from loop_kit.cli.program import program
from loop_kit.usecases.resume_command import SWITCHES, resume_words

REFUSED: Steps = [{"stderr": "unauthorized"}, {"exit": 1}]


def printed(result: Result) -> list[str]:
    """The words after `loop` of the first command that a run printed at its end."""
    lines = result.out.splitlines()
    ways = [number for number, line in enumerate(lines) if line.endswith("Continue with:")]
    start, end, *_ = *ways, len(lines)
    program, *words = shlex.split(" ".join(lines[start + 1 : end]))
    assert program == "loop"
    return words


def assert_goes_on(repo: Repo, stopped: Result) -> None:
    """The printed command runs what was outstanding and brings the loop to its end."""
    repo.plan({})
    done = repo.loop(*printed(stopped))
    assert done.code == 0, done.text
    assert repo.ended == ("done", "approved")


@pytest.mark.parametrize(
    "which",
    [("--single-round", "--round", "1"), ("--round=1", "--single-round"), ("--reset",), ()],
    ids=" ".join,
)
def test_the_printed_command_continues_a_run_that_failed(
    repo: Repo, which: tuple[str, ...]
) -> None:
    repo.plan({"reviewer": REFUSED})
    stopped = repo.run(*which, "--worker-backend", "claude")
    assert stopped.code == 2, stopped.text
    assert_goes_on(repo, stopped)
    assert repo.names == ["worker/1/1", "reviewer/1/1", "reviewer/1/2"]


def test_the_printed_command_keeps_the_agents_and_the_card(repo: Repo) -> None:
    repo.card("two cards/one.json", task_id="T-002")
    repo.plan({"worker": REFUSED})
    flags = ("--worker-backend", "claude", "--worker-model=opus", "--worker-args", "--reset")
    stopped = repo.run("--reset", *flags, "--", "two cards/one.json")
    assert_goes_on(repo, stopped)
    assert repo.state["task_id"] == "T-002"
    assert repo.names == ["worker/1/1", "worker/1/2", "reviewer/1/1"]
    for call in repo.calls[:2]:
        assert Path(call.argv[0]).name == "claude"
        assert {"opus", "--reset"} <= set(call.argv)


@pytest.mark.parametrize("which", [("--single-round", "--round", "1"), ()], ids=" ".join)
def test_the_printed_command_gives_a_run_out_of_rounds_one_more(
    repo: Repo, which: tuple[str, ...]
) -> None:
    repo.plan({"reviewer/1": SENT_BACK})
    stopped = repo.run("--max-rounds", "1", *which)
    assert stopped.code == 7, stopped.text
    assert_goes_on(repo, stopped)
    assert repo.names[2:] == ["worker/2/1", "reviewer/2/1"]


def test_the_printed_command_after_an_interruption_of_a_resumed_run_resumes_once(
    repo: Repo,
) -> None:
    repo.plan({"reviewer": REFUSED})
    assert repo.run().code == 2
    stopped = repo.run("--resume")
    assert stopped.code == 2
    assert printed(stopped).count("--resume") == 1
    assert_goes_on(repo, stopped)


def test_the_options_without_a_value_are_those_of_the_command() -> None:
    command = typer.main.get_command(program())
    run = command.commands["run"]  # type: ignore[attr-defined]
    with run.make_context("run", []) as context:
        options = run.get_params(context)
    switches = {
        name
        for option in options
        if getattr(option, "is_flag", False)
        for name in (*option.opts, *option.secondary_opts)
    }
    assert switches == SWITCHES


def test_what_is_the_value_of_an_option_is_no_option() -> None:
    words = ["run", "--worker-args", "--reset", "--reviewer-args=--round", "--round", "2", "card"]
    expected = ["run", "--worker-args", "--reset", "--reviewer-args=--round", "card", "--resume"]
    assert resume_words(words) == expected
