"""Texts in which the server finds a secret, taken out of files and state."""

from __future__ import annotations

import json

from tests.core import builders as b

from loop_kit.core.loop import bus
from loop_kit.core.loop.machine import transition
from loop_kit.core.loop.push_refusal import Place
from loop_kit.core.loop.withholding import MARKER, texts_at, withhold, withhold_in_state

KEY = "AKIA0EXAMPLE0KEY0000"
REPORT = bus.encode({"summary": f"the key {KEY} is in it", "decision": "changes_required"})


def test_the_text_on_a_named_line_is_replaced_wherever_it_is() -> None:
    texts = texts_at({"review_report.json": REPORT}, [Place(path="review_report.json", line=2)])

    kept = json.loads(withhold("review_report.json", REPORT, texts))
    archived = withhold(
        "archive/T-001/r1_review_report_refused_1.txt", f"a\n{texts[0]}\n".encode(), texts
    )

    assert kept == {"summary": MARKER, "decision": "changes_required"}
    assert archived.decode().split("\n") == ["a", MARKER, ""]


def test_without_a_place_every_free_text_is_replaced_and_nothing_else() -> None:
    kept = json.loads(withhold("review_report.json", REPORT, None))

    assert kept == {"summary": MARKER, "decision": "changes_required"}


def test_a_place_that_is_not_there_or_too_short_names_no_text() -> None:
    places = [Place(path="x.json", line=1), Place(path="r.json", line=99), Place(path="r.json")]

    assert texts_at({"r.json": b'"short"\n'}, [*places, Place(path="r.json", line=1)]) == ()


def test_the_card_of_a_person_is_never_changed() -> None:
    card = bus.encode({"goal": KEY})

    assert withhold(bus.TASK_CARD, card, (KEY,)) == card
    assert texts_at({bus.TASK_CARD: card}, [Place(path=bus.TASK_CARD, line=2)]) == ()


def test_a_state_without_its_texts_is_a_state() -> None:
    state = transition(b.awaiting_review(), b.rejected(1))
    text = state.findings[0].reason

    assert withhold_in_state(state, (text,)).findings[0].reason == MARKER
    assert withhold_in_state(state, None).findings[0].reason == MARKER
    assert withhold_in_state(state, ("not in it at all",)) == state
