"""What is not quite JSON is read when it has one meaning, and never completed."""

import json
import random
import time

import pytest

from loop_kit.core.agent.report_text import MAX_LENIENT, decode, read_json

REPORT = {"task_id": "T-001", "round": 1, "notes": "see http://x//y /* kept */ # kept, ]"}
TEXT = json.dumps(REPORT, indent=2)


def read(text: str) -> object:
    document, exact = read_json(text.encode())
    assert not exact
    return document


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{TEXT}\n```\n",
        f"```\n{TEXT}\n```",
        f"~~~json\n{TEXT}\n~~~",
        f"Here is my report:\n\n```json\n{TEXT}\n```\n\nI hope that it helps.",
        f"Here is my report: {TEXT} That is all.",
        f"I looked at `f{{x}}`:\n```json\n{TEXT}\n```\nand at {{y}}.",
        TEXT.replace("\n}", ",\n}"),
        TEXT.replace("\n}", ", // the last one\n}"),
        f"// a comment {{\n{TEXT}",
        f'/* a "comment */ {TEXT} # the end',
        TEXT.replace('"round"', '/* which? */ "round"').replace("1,", "1, # one"),
    ],
)
def test_a_report_in_another_dress_is_the_same_report(text: str) -> None:
    assert read(text) == REPORT


@pytest.mark.parametrize(
    ("string", "meant"),
    [
        ("one\ntwo", "one\ntwo"),
        ("a\ttab", "a\ttab"),
        (r"\d+ and \. and \\n", r"\d+ and \. and \n"),
        (r"C:\user \u00e9 \u12", "C:\\user \u00e9 \\u12"),
        (r"\"quoted\" // not a comment", '"quoted" // not a comment'),
    ],
)
def test_line_breaks_and_unknown_escapes_in_strings_are_taken_as_they_are(
    string: str, meant: str
) -> None:
    assert read(f'{{"notes": "{string}",}}') == {"notes": meant}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_a_report_is_read_in_the_encodings_of_windows(encoding: str) -> None:
    assert read_json(json.dumps({"notes": "é"}, ensure_ascii=False).encode(encoding))[0] == {
        "notes": "é"
    }


def test_bytes_that_are_not_utf_8_do_not_cost_the_report() -> None:
    assert read_json(b'{"notes": "caf\xe9"}') == ({"notes": "caf\udce9"}, False)
    assert decode(b"caf\xe9").encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_json_to_the_letter_is_reported_as_such() -> None:
    assert read_json(TEXT.encode()) == (REPORT, True)


@pytest.mark.parametrize("dress", ["{}", "```json\n{}\n```", "{},", "Report: {} // ok"])
def test_a_report_that_was_cut_off_is_never_completed(dress: str) -> None:
    whole = dress.replace("{}", json.dumps({**REPORT, "issues": [{"reason": "a {b} c"}], "n": {}}))
    for end in range(whole.rindex("}")):
        with pytest.raises((ValueError, RecursionError)):
            read_json(whole[:end].encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "approve",
        '{"decision": approve}',
        '{"a": 1} {"a": 2}',
        '{"a": 1}\n{"a": ',
        '{"a": 1 "b": 2}',
        '{"a": "one" two"}',
        '{"a": 1, /* cut off',
    ],
)
def test_what_may_mean_two_things_is_refused_in_the_words_of_the_strict_parser(text: str) -> None:
    with pytest.raises(ValueError, match=r"line \d+ column \d+"):
        read_json(text.encode())


@pytest.mark.parametrize(
    "unit",
    ['"', '\\"', "/*", "//", ",", ", ", "{", "}", "```\n", "#\n", '"x",\n', '{"a":', '/*"', "*"],
)
def test_the_time_for_hostile_text_is_linear(unit: str) -> None:
    began = time.perf_counter()
    for opening in ("", '"', "{", "/*"):
        text = opening + unit * ((MAX_LENIENT - 2) // len(unit))
        with pytest.raises((ValueError, RecursionError)):
            read_json(text.encode())
    assert time.perf_counter() - began < 20


def test_a_long_report_has_to_be_json_to_the_letter() -> None:
    long = {**REPORT, "notes": "x" * MAX_LENIENT}
    assert read_json(json.dumps(long).encode()) == (long, True)
    with pytest.raises(ValueError, match="line 1 column 1"):
        read_json(f"```json\n{json.dumps(long)}\n```".encode())


def test_random_text_is_a_document_or_refused() -> None:
    chance = random.Random(1)
    pieces = (*'{}[],:"\\/*#`\n 1', "//", "/*", "*/", "```", '"a"', "\\u", "true")
    refused = 0
    for _ in range(5_000):
        text = "".join(chance.choices(pieces, k=chance.randint(0, 12)))
        try:
            read_json(text.encode())
        except (ValueError, RecursionError):
            refused += 1
    assert 0 < refused < 5_000
