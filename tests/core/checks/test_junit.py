"""Which tests fail, from a report that the code under test has written."""

from __future__ import annotations

import pytest

from loop_kit.core.checks.junit import failing_tests, failing_words, report_paths

REPORT = b"""<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="test_calc" name="test_add"/>
<testcase classname="test_calc" name="test_double"><failure>6 is not 4</failure></testcase>
<testcase name="test_alone"><error/></testcase>
<testcase classname="t" name="skipped"><skipped/></testcase>
</testsuite></testsuites>"""
BOMB = b"""<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>
<testsuite><testcase name="&b;"><failure/></testcase></testsuite>"""


def test_the_failing_tests_are_named_with_their_classes() -> None:
    assert failing_tests(REPORT) == ("test_calc::test_double", "test_alone")
    assert failing_words(failing_tests(REPORT)) == (
        "Failing tests: test_calc::test_double, test_alone\n"
    )
    assert failing_words(()) == ""
    many = tuple(f"t{number}" for number in range(12))
    assert failing_words(many).endswith("t9 and 2 more\n")


@pytest.mark.parametrize(
    "report",
    [b"", b"\0", BOMB, b"<project/>", b"<testcase name='x'>", b"<a>" * 50_000, b"\xff\xfe<"],
)
def test_what_is_no_report_names_nothing(report: bytes) -> None:
    assert failing_tests(report) == ()


def test_names_are_on_one_line_and_bounded() -> None:
    hostile = b"<t><testcase name='a&#10;::error::b%s'><failure/></testcase></t>" % (b"x" * 999)
    (name,) = failing_tests(hostile)
    assert "\n" not in name
    assert len(name) <= 150


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("pytest --junitxml=report.xml -q", ("report.xml",)),
        ("pytest --junit-xml 'out/a.xml' && npx jest", ("out/a.xml",)),
        ("JEST_JUNIT_OUTPUT_FILE=./j.xml npx jest", ("j.xml",)),
        ("gotestsum --junitfile /tmp/x.xml", ()),
        ("cat ../../x.xml", ()),
        ("make test", ()),
    ],
)
def test_a_command_names_its_report(command: str, named: tuple[str, ...]) -> None:
    assert report_paths(command) == named
