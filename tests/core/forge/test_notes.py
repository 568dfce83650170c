"""What is special about an approved loop is said in one line each."""

from __future__ import annotations

from tests.core import builders as b

from loop_kit.core.forge.notes import notes, status_notes
from loop_kit.core.loop.base_branch import BaseView
from loop_kit.core.loop.machine import transition
from loop_kit.core.loop.state import LoopState


def approved(base: BaseView) -> LoopState:
    return transition(b.awaiting_review(), b.approved(1)).model_copy(update={"base": base})


def test_approved_work_says_what_keeps_it_from_being_merged() -> None:
    conflicts = notes(approved(BaseView(conflicts=("a.py", "@mona <b>.py"))))
    assert conflicts[0].summary.startswith("Conflicts with main in a.py, ")
    lines = status_notes(approved(BaseView(conflicts=("a.py", "@mona <b>.py"))))
    assert "@mona" not in "\n".join(lines)
    assert "<b>" not in "\n".join(lines)
    assert notes(approved(BaseView(behind=True)))[0].summary == "Behind main"
    assert notes(approved(BaseView(conflicts=(), behind=False))) == ()


def test_a_loop_that_runs_on_will_resolve_its_conflicts() -> None:
    running = b.awaiting_work().model_copy(update={"base": BaseView(conflicts=("a.py",))})
    assert notes(running) == ()
