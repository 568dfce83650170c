"""What reaches the model: long prompts whole, and a conversation that is gone started afresh."""

from __future__ import annotations

import shutil

import pytest
from tests.real.harness import Agent, Bench
from tests.real.scripts import ONE_ROUND, reviewer, scenario, worker

AGENTS: tuple[Agent, ...] = ("codex", "claude", "opencode")
KEPT = {
    "codex": (".codex/sessions",),
    "claude": (".claude/projects",),
    "opencode": (".local/share/opencode", ".local/state/opencode"),
}
"""Where each agent keeps its conversations, below its home."""
BEHIND: dict[Agent, Agent] = {"codex": "claude", "claude": "codex", "opencode": "codex"}
"""A reviewer that is another agent, the fastest there is."""


@pytest.fixture(autouse=True)
def in_rooms(bench: Bench) -> None:
    """A conversation has to outlive the room that it began in."""
    bench.extra["LOOP_SANDBOX"] = "auto"


@pytest.mark.parametrize("agent", AGENTS)
def test_a_prompt_longer_than_an_argument_may_be_arrives_whole(bench: Bench, agent: Agent) -> None:
    first, last = "the first rule is to whistle", "the last rule is to hum"
    rules = "\n".join(f"rule {n}: keep line {n} as it is" for n in range(1700))
    (bench.root / "docs" / "roles").mkdir(parents=True)
    (bench.root / "docs" / "roles" / "code-writer.md").write_text(rules, "utf-8")
    (bench.root / "AGENTS.md").write_text(f"{first}\n{rules}", "utf-8")
    bench.git("add", ".")
    bench.git("commit", "--quiet", "--message", "Rules")
    bench.card(goal=f"{rules}\n{last}")
    bench.served.scenario = scenario(*ONE_ROUND.scripts, marks=(first, last))

    result = bench.review(agent, "codex")

    assert result.code == 0, result.text
    (prompt,) = {each.asked.prompt for each in bench.served.of("worker 1")}
    assert len(prompt) > 140 * 1024
    assert all(each.whole for each in bench.served.exchanges)


@pytest.mark.parametrize("agent", AGENTS)
def test_a_conversation_that_is_gone_is_begun_anew_with_everything_it_has_to_know(
    bench: Bench, agent: Agent
) -> None:
    pair = (agent, BEHIND[agent])
    assert bench.review(*pair, "--single-round", "--round", "1").code == 0
    before = bench.state["sessions"]["worker"]["session_id"]
    own = bench.folder / "runtime" / "homes"  # where a room can be built, else the user's
    held = [path for path in (own, *(bench.home / name for name in KEPT[agent])) if path.exists()]
    assert held
    for path in held:
        shutil.rmtree(path)

    result = bench.review(*pair, "--single-round", "--round", "2")

    assert result.code == 0, result.text
    assert bench.ended == ("done", "approved")
    assert "fallback_invalid_resume" in bench.resumed()
    assert bench.state["sessions"]["worker"]["session_id"] != before
    (prompt,) = {each.asked.prompts for each in bench.served.of("worker 2")}
    assert len(prompt) == 1
    assert "F1 [high] calc.py:1: VALUE is wrong" in prompt[0]


def test_a_conversation_is_not_handed_to_another_agent(bench: Bench) -> None:
    assert bench.review("codex", "codex", "--single-round", "--round", "1").code == 0

    result = bench.review("claude", "codex", "--single-round", "--round", "2")

    assert result.code == 0, result.text
    held = bench.state["sessions"]["worker"]
    assert (held["backend"], held["started_round"]) == ("claude", 2)
    assert "--resume" not in bench.commands("worker")[-1]


def test_worker_and_reviewer_of_one_agent_have_conversations_of_their_own(bench: Bench) -> None:
    result = bench.review("codex", "codex")

    assert result.code == 0, result.text
    sessions = bench.state["sessions"]
    assert sessions["worker"]["session_id"] != sessions["reviewer"]["session_id"]
    spent = [each.spent for each in bench.served.exchanges if each.spent]
    assert bench.state["usage"]["tokens_in"] == sum(each.read for each in spent)


@pytest.mark.parametrize("agent", ["codex", "claude"])
def test_a_structured_answer_is_a_report(bench: Bench, agent: Agent) -> None:
    bench.served.scenario = scenario(
        worker(1, writes=False), reviewer(1, approves=True, writes=False)
    )

    result = bench.review(agent, agent)

    assert result.code == 0, result.text
    assert bench.ended == ("done", "approved")
    assert bench.json("work_report.json")["notes"] == "round 1 is done"
    assert bench.json("review_report.json")["summary"] == "as wanted"
    assert len(bench.commands("worker")) == len(bench.commands("reviewer")) == 1
