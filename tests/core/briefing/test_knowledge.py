"""What was learned is read within bounds, told with its origin, and written line by line."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from loop_kit.core.briefing.knowledge import (
    LESSON_CATEGORY,
    MAX_READ,
    Entry,
    Knowledge,
    Lesson,
    is_stale,
    learn,
    parse,
    read_knowledge,
    seconds,
    section,
    select_useful,
)
from loop_kit.core.briefing.knowledge_files import (
    dedupe,
    patterns_jsonl,
    pitfalls_md,
    prune,
    with_pattern,
)

NOW = "2026-11-22T12:00:00Z"
LATER = "2026-12-02T12:00:00Z"
LESSON = Lesson("high", "src/a.py", "VALUE is wrong", "T-001 F2 round 1")
LINE = "[high] src/a.py: VALUE is wrong (T-001 F2 round 1)"

SEEDS_FACTS = """\
# Stable project facts
- single-file rule: all production logic lives in src/loop_kit/orchestrator.py
- subprocess-per-round: each review round runs in a dedicated subprocess
"""
SEEDS_PITFALLS = """\
# Known pitfalls
- lock stale after crash can be misleading; confirm no live orchestrator PID before manual cleanup
- Windows replace needs retry when antivirus/indexers hold short file locks
"""
SEEDS_PATTERN = "Example: run uv tests after meaningful orchestrator edits"


def jsonl(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def pattern(text: str = "check inputs", **changes: object) -> dict[str, object]:
    known = {"pattern": text, "category": "style", "confidence": 0.9, "last_verified": NOW}
    return {**known, **changes}


def patterns_of(*records: object, now: str = NOW) -> tuple[Entry, ...]:
    return parse("", "", jsonl(*records), now).patterns


def texts(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.text for entry in entries]


def test_every_line_that_is_no_heading_and_no_comment_is_an_entry() -> None:
    facts = "# Title\n\n- one\n* two\n  three  \n<!-- four -->\n## Five\n-\n- [x] six\r\n"
    assert texts(parse(facts, "", "", NOW).facts) == ["one", "two", "three", "[x] six"]


def test_a_comment_over_several_lines_hides_them_and_one_without_an_end_hides_itself() -> None:
    assert texts(parse("<!-- a\nb\nc -->\nd\n<!-- e\nf\n", "", "", NOW).facts) == ["d", "f"]


def test_a_byte_order_mark_hides_no_heading_and_no_pattern() -> None:
    known = parse("\ufeff# Title\none", "", "\ufeff" + jsonl(pattern()), NOW)
    assert (texts(known.facts), len(known.patterns)) == (["one"], 1)


def test_a_text_is_one_short_line_without_what_acts_on_a_terminal() -> None:
    fact = f"\x1b[31mred\x1b[0m\u202e \u2028 next\x07 {'long ' * 100}"
    (entry,) = parse(fact, "", "", NOW).facts
    assert entry.text.startswith("red next long long")
    assert len(entry.text) <= 300
    assert entry.text.isprintable()


def test_lines_that_are_no_pattern_are_passed_over() -> None:
    deep = "[" * 100_000
    bad = ["", "{", "[1]", "5", "null", deep, f'{{"a":{deep}', '{"pattern": 1, "category": "a"}']
    bad += ['{"pattern": " ", "category": "a"}', '{"pattern": "a", "category": "\\u0007"}']
    bad += ['{"pattern": "a"}', '{"pattern": "\\ud800", "category": "a"}', '{"a": ' + "9" * 5000]
    assert parse("", "", "\n".join(bad), NOW).patterns == ()
    assert len(parse("", "", "\n".join([*bad, jsonl(pattern())])[-MAX_READ:], NOW).patterns) == 1


@pytest.mark.parametrize(
    ("said", "worth"),
    [
        *((0.5, 0.5), (1, 1.0), (-3, 0.0), (7, 1.0), (10**400, 1.0), ("0.8", 0.8), ("x", 0.0)),
        *((None, 0.0), (True, 0.0), ([1], 0.0), (float("nan"), 0.0), (float("inf"), 1.0)),
    ],
)
def test_a_confidence_is_from_0_to_1_whatever_is_written(said: object, worth: float) -> None:
    (entry,) = patterns_of(pattern(confidence=said))
    assert entry.confidence == worth


@pytest.mark.parametrize(
    ("verified", "stale"),
    [
        ("2026-10-23T12:00:00Z", False),
        ("2026-10-23T11:59:59Z", True),
        ("2026-10-23T13:59:59+02:00", True),
        ("2026-10-24", False),
        ("2026-11-23T11:00:00Z", False),
        ("2027-01-01T00:00:00Z", True),
        ("2026-13-01", True),
        ("9" * 40, True),
        ("yesterday", True),
        ("", True),
    ],
)
def test_what_nobody_verified_for_30_days_is_worth_nothing(verified: str, stale: bool) -> None:
    (entry,) = patterns_of(pattern(last_verified=verified))
    assert is_stale(verified, NOW) is stale
    assert entry.confidence == (0.0 if stale else 0.9)


def test_days_are_counted_over_leap_years() -> None:
    assert seconds("1970-01-01T00:00:00Z") == 0
    assert seconds("2024-03-01") == (seconds("2024-02-28") or 0) + 2 * 86_400
    assert seconds("2100-03-01") == (seconds("2100-02-28") or 0) + 86_400
    assert seconds("2038-01-19T03:14:08Z") == 2**31


def test_of_equal_patterns_the_surest_counts_and_a_stale_one_is_not_sure() -> None:
    old = pattern(confidence=1.0, last_verified="2020-01-01T00:00:00Z")
    (entry,) = patterns_of(pattern(confidence=0.2), old, pattern(confidence=0.4))
    assert (entry.confidence, entry.last_verified) == (0.4, NOW)
    assert len(patterns_of(pattern(), pattern(category="other"))) == 2


def test_only_the_newest_of_too_many_are_used_and_all_of_them_are_counted() -> None:
    many = "".join(f"- line {n}\n" for n in range(60))
    records = jsonl(*(pattern(f"pattern {n}") for n in range(250)))
    known = parse(many, many, records, NOW)
    assert [len(each) for each in (known.facts, known.pitfalls, known.patterns)] == [50, 50, 200]
    assert (known.facts[-1].text, known.patterns[-1].text) == ("line 59", "pattern 249")
    assert len(read_knowledge(many, many, records, NOW).entries) == 60 + 60 + 250


def test_only_the_first_256_kib_of_a_file_are_read() -> None:
    assert texts(parse("# " + "x" * MAX_READ + "\nlate", "", "", NOW).facts) == []


def test_a_section_tells_facts_pitfalls_and_sure_patterns_with_where_they_come_from() -> None:
    records = jsonl(
        pattern("sure", source="Mona"),
        pattern("as sure", confidence=0.7),
        pattern("maybe", confidence=0.69),
    )
    assert section(parse("- a fact\n", "- a pitfall\n", records, NOW)) == (
        "Facts about this repository:\n- a fact\n\n"
        "Known pitfalls:\n- a pitfall\n\n"
        "Patterns seen in reviews (confidence, category):\n"
        "- [0.90] (style) sure (from Mona, verified 2026-11-22)\n"
        "- [0.70] (style) as sure (verified 2026-11-22)"
    )


def test_nothing_known_is_no_section() -> None:
    assert section(Knowledge()) == ""
    assert section(parse("# Facts\n", "", jsonl(pattern(confidence=0.6)), NOW)) == ""


def test_what_the_seed_said_of_itself_is_never_told() -> None:
    records = jsonl(pattern(SEEDS_PATTERN, confidence=1.0))
    known = parse(SEEDS_FACTS, SEEDS_PITFALLS, records, NOW)
    assert [len(each) for each in (known.facts, known.pitfalls, known.patterns)] == [2, 2, 1]
    assert section(known) == ""
    assert select_useful(known) == Knowledge()


def test_a_lesson_becomes_a_pitfall_and_a_pattern_of_middling_confidence() -> None:
    known = learn(Knowledge(), [LESSON], NOW)
    assert known.pitfalls == (Entry("pitfalls", LINE),)
    assert known.patterns == (
        Entry("patterns", "VALUE is wrong", LESSON_CATEGORY, 0.7, "T-001 F2 round 1", "", NOW),
    )
    assert LINE in section(known)
    assert "VALUE is wrong (from T-001 F2 round 1, verified 2026-11-22)" in section(known)


def test_a_lesson_is_learned_once_and_verified_again() -> None:
    once = learn(Knowledge(), [LESSON, LESSON], NOW)
    assert learn(once, [LESSON], NOW) == once
    again = learn(once, [replace(LESSON, source="T-009 F1 round 3")], LATER)
    assert again.pitfalls == once.pitfalls
    assert [entry.last_verified for entry in again.patterns] == [LATER]
    assert again.patterns[0].source == "T-001 F2 round 1"


def test_a_lesson_that_grew_stale_counts_again_when_it_is_found_again() -> None:
    text = patterns_jsonl(learn(Knowledge(), [LESSON], "2026-01-01T00:00:00Z"))
    known = parse("", "", text, NOW)
    assert known.patterns[0].confidence == 0
    again = learn(known, [LESSON], NOW)
    assert again.patterns[0].confidence == 0.7
    assert parse("", "", patterns_jsonl(again, text), NOW) == replace(again, pitfalls=())


def test_a_lesson_without_a_reason_teaches_nothing() -> None:
    assert learn(Knowledge(), [replace(LESSON, reason=" \x07\u200b ")], NOW) == Knowledge()


@pytest.mark.parametrize(
    ("severity", "shown"),
    [("HIGH", "high"), ("", "?"), ("a] # b", "?"), ("very important", "?"), ("blocker", "blocker")],
)
def test_a_severity_is_one_word(severity: str, shown: str) -> None:
    (entry,) = learn(Knowledge(), [replace(LESSON, severity=severity)], NOW).pitfalls
    assert entry.text == LINE.replace("[high]", f"[{shown}]")


def test_a_long_lesson_keeps_where_it_comes_from() -> None:
    long = Lesson("high", "d/" * 200, "because " * 100, "T-1 F1 round 1 " + "x" * 400)
    (entry,) = learn(Knowledge(), [long], NOW).pitfalls
    assert len(entry.text) <= 300
    assert "because" in entry.text
    assert entry.text.endswith("...)")


def test_no_lesson_hides_or_forges_another_line() -> None:
    rng = random.Random(7)
    pieces = ["<!--", "-->", "\n", "\r", "\u2028", "# x", "- ", "`" * 3, "(", ")", "[", "\0", "ok"]
    old = "# Pitfalls\n<!-- open\n- by a person\n"
    for _ in range(300):
        words = ["".join(rng.choices(pieces, k=6)) for _ in range(4)]
        known = learn(parse("", old, "", NOW), [Lesson(*words)], NOW)
        assert parse("", pitfalls_md(old, known), "", NOW).pitfalls == known.pitfalls
        text = patterns_jsonl(known)
        assert parse("", "", text, NOW).patterns == known.patterns
        assert "<!--" not in known.pitfalls[-1].text


def test_the_oldest_lessons_make_room_and_people_never_do() -> None:
    people = "".join(f"- by a person {n}\n" for n in range(10))
    lessons = [replace(LESSON, reason=f"reason {n}") for n in range(300)]
    old = parse("", people, jsonl(pattern("a person's")), NOW)
    known = learn(old, lessons, NOW)
    assert texts(known.pitfalls)[:10] == [f"by a person {n}" for n in range(10)]
    assert "reason 260 " in known.pitfalls[10].text
    assert (len(known.pitfalls), len(known.patterns)) == (50, 200)
    assert known.patterns[0].text == "a person's"
    assert known.patterns[-1].text == "reason 299"


def test_pitfalls_are_written_without_touching_what_people_wrote() -> None:
    old = "\ufeff# Pitfalls\r\n\r\n* mine (really)\r\n<!-- why\n-->\n"
    old += "[low] x: old (T-0 F1 round 1)\nlast"
    known = parse("", old, "", NOW)
    assert pitfalls_md(old, known) == old
    assert pitfalls_md(old, learn(known, [LESSON], NOW)) == f"{old}\n- {LINE}\n"
    lessons = [replace(LESSON, reason=f"reason {n}") for n in range(60)]
    full = pitfalls_md(old, learn(known, lessons, NOW))
    assert full.startswith(old.replace("[low] x: old (T-0 F1 round 1)\n", ""))
    assert full.count("[high]") == 48


def test_patterns_are_written_without_touching_what_people_wrote() -> None:
    stale = json.dumps(pattern("stale", last_verified="2020-01-01", extra={"a": [1]}))
    long = json.dumps(pattern("long " * 200))
    old = f"// a note\n{stale}\n\nnot json\n{long}"
    known = parse("", "", old, NOW)
    assert patterns_jsonl(known, old) == old
    new = patterns_jsonl(learn(known, [LESSON], NOW), old)
    assert new.startswith(f"{old}\n")
    assert json.loads(new.splitlines()[-1]) == {
        "pattern": "VALUE is wrong",
        "category": LESSON_CATEGORY,
        "confidence": 0.7,
        "last_verified": NOW,
        "source": "T-001 F2 round 1",
    }


def test_a_pattern_that_is_verified_again_keeps_what_else_is_said_of_it() -> None:
    mine = pattern("VALUE is wrong", category=LESSON_CATEGORY, confidence=0.95, why="because")
    old = jsonl(mine, pattern("other"))
    known = learn(parse("", "", old, NOW), [LESSON], LATER)
    other, again = patterns_jsonl(known, old).splitlines()
    assert json.loads(other)["pattern"] == "other"
    assert json.loads(again) == {**mine, "last_verified": LATER, "source": LESSON.source}


def test_too_many_lessons_leave_the_file_and_patterns_of_people_stay() -> None:
    old = jsonl(*(pattern(f"mine {n}") for n in range(5)))
    old += jsonl(*(pattern(f"learned {n}", category=LESSON_CATEGORY) for n in range(200)))
    new = patterns_jsonl(learn(parse("", "", old, NOW), [LESSON], NOW), old)
    found = [json.loads(line)["pattern"] for line in new.splitlines()]
    assert found[:6] == [*(f"mine {n}" for n in range(5)), "learned 6"]
    assert len(found) == 200


def test_a_pattern_added_again_replaces_what_was_said_of_it() -> None:
    old = jsonl(pattern("a"), pattern("b")) + "note"
    entry = Entry("patterns", "a", "style", 0.1, "Mona", NOW, NOW)
    first, note, last = with_pattern(old, entry).splitlines()
    assert (json.loads(first)["pattern"], note) == ("b", "note")
    assert json.loads(last) == {
        **pattern("a", confidence=0.1),
        "source": "Mona",
        "source_version": NOW,
    }


def test_what_is_there_twice_stays_once_and_other_lines_stay() -> None:
    swept = dedupe("pitfalls", "# T\n- a\n\n* a\n- b\n- a  \nnote\n")
    assert (swept.text, swept.removed, swept.remaining) == ("# T\n- a\n\n- b\nnote\n", 2, 3)
    low, high = json.dumps(pattern(confidence=0.1)), json.dumps(pattern(confidence=0.8, x=1))
    swept = dedupe("patterns", f"{low}\nnote\n{high}\n{low}")
    assert (swept.text, swept.removed, swept.remaining) == (f"note\n{high}", 2, 1)


def test_texts_that_differ_late_are_no_duplicates() -> None:
    first, second = "x " * 200 + "a", "x " * 200 + "b"
    text = f"- {first}\n- {second}\n"
    assert dedupe("facts", text).text == text
    text = jsonl(pattern(first), pattern(second))
    assert dedupe("patterns", text).text == text


def test_pruning_takes_patterns_by_their_newest_date_and_what_has_none_stays() -> None:
    old, new = "2026-10-01T00:00:00Z", "2026-11-20T00:00:00Z"
    lines = [
        json.dumps(pattern("old", last_verified=old)),
        json.dumps(pattern("older", last_verified="", source_version=old)),
        json.dumps(pattern("verified", last_verified=new, source_version=old)),
        json.dumps(pattern("undated", last_verified="some day")),
        "note",
    ]
    swept = prune("patterns", "\n".join(lines), 30, NOW)
    assert (swept.text, swept.removed, swept.remaining) == ("\n".join(lines[2:]), 2, 2)
    assert prune("patterns", "\n".join(lines), 10**9, NOW).removed == 0
    assert prune("patterns", "\n".join(lines), 0, NOW).removed == 3
    assert prune("facts", "- a\n- b\n", 0, NOW).remaining == 2


def test_a_prompt_is_told_the_newest_of_what_is_too_much() -> None:
    entries = tuple(Entry("pitfalls", f"{n} " + "x" * 290) for n in range(50))
    text = section(Knowledge(pitfalls=entries))
    assert len(text) < 8200
    assert "- 49 x" in text
    assert "- 0 x" not in text
