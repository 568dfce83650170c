"""Outputs and summary: each value in a delimiter that nobody can guess."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.core import builders as b
from tests.support.full_disk import limited

from loop_kit.adapters.runner.outputs import outputs, write_outputs, write_summary
from loop_kit.core.loop.messages import (
    HandedOver,
)
from loop_kit.core.loop.state import LoopState, Outcome, Usage

CONTRACT = {
    *("task-id", "round", "decision", "state", "outcome", "continue", "pull-request-number"),
    *("pull-request-url", "work-branch", "state-branch", "base-sha", "head-sha", "findings-open"),
    *("tokens", "cost-usd", "report-path", "state-path"),
}
FILES = {"report-path": "/r.json", "state-path": "/s.json"}


def said(state: LoopState) -> dict[str, str]:
    return outputs(state, "loop/T-001/state", FILES)


def read_back(text: str) -> dict[str, str]:
    """The outputs as the runner reads them: `name<<delimiter`, lines, `delimiter`."""
    values = {}
    lines = iter(text.split("\n"))
    for head in lines:
        if not head:
            continue
        name, _, delimiter = head.partition("<<")
        assert delimiter, f"not the start of a value: {head!r}"
        taken = []
        for line in lines:
            if line == delimiter:
                break
            taken.append(line)
        values[name] = "\n".join(taken)
    return values


def test_the_outputs_are_those_of_the_contract() -> None:
    for state in (LoopState(), b.awaiting_work(), b.awaiting_review()):
        assert set(said(state)) == CONTRACT
        assert all(isinstance(value, str) for value in said(state).values())


def test_an_approved_loop_says_so() -> None:
    found = said(b.after(b.awaiting_review(), b.approved(1)))
    assert (found["state"], found["outcome"], found["decision"]) == ("done", "approved", "approve")
    assert (found["round"], found["continue"], found["findings-open"]) == ("1", "false", "0")
    assert (found["head-sha"], found["base-sha"]) == (b.sha(1), b.START)
    assert (found["work-branch"], found["state-branch"]) == ("loop/T-001/work", "loop/T-001/state")


def test_a_rejected_round_is_reported_with_its_own_number_and_continues() -> None:
    found = said(b.after(b.awaiting_review(), b.rejected(1), HandedOver(2)))
    assert (found["decision"], found["round"], found["continue"]) == (
        *("changes_required", "1", "true"),
    )
    assert (found["state"], found["outcome"], found["findings-open"]) == ("awaiting_work", "", "1")


def test_a_stopped_loop_does_not_continue() -> None:
    found = said(b.after(b.awaiting_work(), b.halted(Outcome.INTERRUPTED), HandedOver(None)))
    assert (found["continue"], found["outcome"], found["decision"]) == ("false", "interrupted", "")


@pytest.mark.parametrize(
    ("usage", "tokens", "cost"),
    [
        (Usage(), "unknown", "unknown"),
        (Usage(tokens_in=10, tokens_out=5, cost_usd=0.25), "15", "0.2500"),
        (Usage(tokens_in=0, cost_usd=0), "0", "0.0000"),
    ],
)
def test_what_is_not_reported_is_unknown_and_not_nothing(
    usage: Usage, tokens: str, cost: str
) -> None:
    found = said(b.awaiting_work().model_copy(update={"usage": usage}))
    assert (found["tokens"], found["cost-usd"]) == (tokens, cost)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "plain",
        "two\nlines",
        "ends\n",
        "\n",
        "EOF\nstate=approved",
        "a<<EOF\nb\nEOF",
        "loop-kit-\nloop-kit-0",
        "::set-output name=x::y",
        "ghadelimiter_x\noutcome<<ghadelimiter_y\napproved\nghadelimiter_y",
        "Größe \U0001f600",
    ],
)
def test_any_value_comes_out_as_it_went_in(tmp_path: Path, value: str) -> None:
    path = tmp_path / "output"
    write_outputs(str(path), {"first": value, "outcome": "needs_human"})
    assert read_back(path.read_text("utf-8")) == {"first": value, "outcome": "needs_human"}


def test_a_delimiter_seen_once_does_not_help_to_forge_the_next(tmp_path: Path) -> None:
    path = tmp_path / "output"
    write_outputs(str(path), {"a": "x"})
    seen = path.read_text("utf-8").split("\n")[0].partition("<<")[2]
    write_outputs(str(path), {"b": f"x\n{seen}\noutcome<<{seen}\napproved\n{seen}"})
    assert set(read_back(path.read_text("utf-8"))) == {"a", "b"}


def test_every_value_has_its_own_long_random_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "output"
    write_outputs(str(path), {f"n{n}": "x" for n in range(50)})
    delimiters = re.findall(r"<<(loop-kit-[0-9a-f]{32})\n", path.read_text("utf-8"))
    assert len(set(delimiters)) == 50


def test_outputs_are_appended_to_what_other_steps_wrote(tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_text("other=1\n", "utf-8")
    write_outputs(str(path), {"a": "x"})
    write_summary(str(path), "# Summary\n")
    text = path.read_text("utf-8")
    assert text.startswith("other=1\na<<")
    assert text.endswith("# Summary\n")


def test_what_no_file_can_hold_is_replaced_and_what_is_too_long_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "output"
    write_outputs(str(path), {"a": "x\ud800", "b": "y" * 1_000_000})
    values = read_back(path.read_text("utf-8"))
    assert values["a"] == "x?"
    assert 0 < len(values["b"]) < 1_000_000


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_outputs("", {"a": "x"})
    write_summary("", "# Summary")
    assert list(tmp_path.iterdir()) == []


_WRITE = """
import sys
from loop_kit.adapters.runner.outputs import write_outputs
write_outputs(sys.argv[1], {"task-id": "T-001", "outcome": "x" * 500})
"""


def test_outputs_that_do_not_fit_leave_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_text("before=1\n")
    argv = limited(300, sys.executable, "-c", _WRITE, path)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert f"File too large: '{path}'" in done.stderr
    assert path.read_text() == "before=1\n"
