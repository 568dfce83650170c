"""What agents get besides their task, and what a round leaves for the next one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.engine.world import CARD, World, two_rounds
from tests.fakes import Act, FixedGuides

from loop_kit.core.briefing.knowledge import Entry, Knowledge
from loop_kit.core.loop.state import Role
from loop_kit.ports import Assignment

SECTIONS = (
    "QUICK {quickstart_section} HANDOFF {handoff_section} KNOWN {knowledge_section}"
    " PACKET {task_packet_section} INDEX {orchestrator_path}: {function_index}"
)
SCOPED = CARD.model_copy(update={"in_scope": ("*.py",), "verify": ("true",)})


def prompts(world: World, role: Role = Role.WORKER) -> list[str]:
    return [job.prompt for job in world.jobs if job.role is role]


def bus_file(world: World, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(world.server.files[name])
    return document


def disputing(job: Assignment) -> Act:
    """A second round that gives one finding back and fixes nothing else."""
    if job.role is Role.WORKER and job.round == 2:
        answer = {"id": "F1", "action": "disputed", "evidence": "a(1) works, see the test"}
        return Act({"responses": [answer]}, {"a2.py": b"x\n"}, commit="Round 2")
    return two_rounds(job)


def test_the_worker_gets_what_the_last_round_handed_over(world: World) -> None:
    world.guides = FixedGuides(template=SECTIONS)
    world.job()
    world.job()
    first, second = prompts(world)
    assert "HANDOFF - <none>" in first
    for text in ("From the worker, round 1", "From the reviewer, round 1", "F1: wrong"):
        assert text in second


def test_the_reviewer_of_the_next_round_gets_its_own_words_and_not_the_workers(
    world: World,
) -> None:
    world.guides = FixedGuides(template=SECTIONS)
    world.job()
    world.job()
    first, second = prompts(world, Role.REVIEWER)
    assert "Decision: changes_required" not in first
    assert "Decision: changes_required" in second
    assert "From the worker" not in second


def test_each_role_leaves_a_handoff_of_its_round(world: World) -> None:
    world.script = disputing
    world.job()
    world.job()
    worker = bus_file(world, "handoff/T-001/worker_r2.json")
    assert (worker["task_id"], worker["role"], worker["round"]) == ("T-001", "worker", 2)
    assert worker["open_questions"] == ["F1 is disputed: a(1) works, see the test"]
    assert worker["evidence"][0].startswith("Head ")
    reviewer = bus_file(world, "handoff/T-001/reviewer_r1.json")
    assert reviewer["done"] == ["Decision: changes_required"]
    assert reviewer["next_actions"] == ["F1: wrong"]
    assert reviewer["must_read_files"] == ["a.py"]
    assert bus_file(world, "handoff/T-001/reviewer_r2.json")["next_actions"] == ["Nothing blocks."]


@pytest.mark.parametrize(
    "damaged", [b"{", b"[]", b"\xff", b'{"task_id": "other", "done": ["x"]}', b"7"]
)
def test_a_handoff_that_somebody_damaged_is_passed_over(world: World, damaged: bytes) -> None:
    world.guides = FixedGuides(template=SECTIONS)
    world.job()
    world.server.files["handoff/T-001/worker_r1.json"] = damaged
    del world.server.files["handoff/T-001/reviewer_r1.json"]
    state = world.job()
    assert "HANDOFF - <none>" in prompts(world)[1]
    assert state.outcome == "approved"


def test_the_task_packet_names_files_symbols_and_risks(world: World) -> None:
    source = b"class Loop:\n    pass\n\n\ndef run():\n    pass\n"
    world.base = world.repository.commit("", {"a.py": source, "README.md": b"x\n"}, "Base")
    world.card = SCOPED
    known = Knowledge(pitfalls=(Entry("pitfalls", "mind the gap"),))
    world.guides = FixedGuides(known, SECTIONS)
    world.job()
    first = bus_file(world, "task_packet.json")
    assert first["target_files"] == ["a.py"]
    assert first["target_symbols"] == ["a.py: class Loop:L1", "a.py: def run:L5"]
    assert first["acceptance_checks"] == ["C1: a", "C2: b"]
    assert first["known_risks"] == ["mind the gap"]
    assert first["commands_to_run"] == ["true"]
    assert "INDEX a.py:" in prompts(world)[0]
    assert "README.md" in prompts(world)[0]
    world.job()
    assert bus_file(world, "task_packet.json")["known_risks"][0] == "[high] a.py: wrong"


def test_a_card_of_prose_has_no_target_files(world: World) -> None:
    world.card = CARD.model_copy(update={"in_scope": ("the parser",)})
    world.job()
    assert bus_file(world, "task_packet.json")["target_files"] == []


def test_what_was_learned_is_in_the_workers_prompt(world: World) -> None:
    known = Knowledge(facts=(Entry("facts", "tests need redis"),))
    world.guides = FixedGuides(known, SECTIONS)
    world.job()
    assert "tests need redis" in prompts(world)[0]
