"""What a checkup says, without a machine to look at."""

from __future__ import annotations

import pytest

from loop_kit.core.agent.checkup import (
    Check,
    CheckState,
    check_lines,
    missing_flags,
    printable,
    verdict,
    version_in,
    version_text,
)


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("codex-cli 0.169.0\n", (0, 169, 0)),
        ("2.1.330 (Claude Code)", (2, 1, 330)),
        ("1.18.33", (1, 18, 33)),
        ("git version 2.39.5 (Apple Git-154)", (2, 39, 5)),
        ("git version 2.40.windows.1", (2, 40, 0)),
        ("warning of 3 things\nv2.7", (2, 7, 0)),
        ("", None),
        ("build 20260101", None),
        ("127.0.0.1.9999999999", (127, 0, 0)),
        ("9" * 5000 + ".1", None),
    ],
)
def test_a_version_is_found_wherever_a_program_prints_it(
    printed: str, version: tuple[int, int, int] | None
) -> None:
    assert version_in(printed) == version


def test_versions_are_compared_as_numbers() -> None:
    assert (version_in("0.99.0") or (9, 9, 9)) < (0, 169, 0)
    assert version_text((0, 169, 0)) == "0.169.0"


def test_a_flag_is_named_only_as_a_word_of_its_own() -> None:
    help_text = "  -C, --cd <DIR>\n      --json-schema <S>\n      --output-format=<F>\n"

    assert missing_flags(("-C", "--cd", "--output-format"), help_text) == ()
    assert missing_flags(("--json", "-c", "--output"), help_text) == ("--json", "-c", "--output")


def test_only_what_is_needed_and_absent_or_unusable_stops_a_loop() -> None:
    stopping = [
        (state, needed)
        for state in CheckState
        for needed in (True, False)
        if Check("git", state, "", needed=needed).is_blocking
    ]

    assert stopping == [(CheckState.MISSING, True), (CheckState.WRONG, True)]


def test_the_list_has_columns_and_the_remedy_below_its_problem() -> None:
    checks = [
        Check("git", CheckState.OK, "2.39.5"),
        Check("codex login", CheckState.MISSING, "no key", "codex login"),
    ]

    assert check_lines(checks) == [
        "git          ok       2.39.5",
        "codex login  missing  no key",
        "             fix:     codex login",
    ]
    assert check_lines([]) == []


def test_the_verdict_names_who_would_run_and_everything_that_stops_it() -> None:
    broken = [
        Check("git", CheckState.WRONG, ""),
        Check("claude", CheckState.MISSING, "", needed=False),
    ]

    assert verdict(broken[1:], "worker codex") == "Ready: worker codex."
    assert verdict(broken, "worker codex") == "Not ready for worker codex: git (wrong)."
    assert verdict(broken, "") == "Not ready: git (wrong)."


def test_no_escape_sequence_or_second_line_is_shown() -> None:
    hostile = Check(
        "codex", CheckState.WARN, "\x1b[31mred\x1b[0m\nsecond\u202e", "a\x07\nb" + "x" * 9999
    )

    clean = printable(hostile)

    assert clean.detail == "red second"
    assert clean.fix.startswith("a b")
    assert len(clean.fix) == 400
