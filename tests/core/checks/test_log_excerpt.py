"""The end of a log that shows why a job failed."""

from __future__ import annotations

from loop_kit.core.checks.log_excerpt import MAX_CHARACTERS, MAX_LINES, excerpt

AT = "2026-01-01T00:00:00.1234567Z "


def test_the_excerpt_ends_at_the_last_error_and_leaves_out_the_clean_up() -> None:
    lines = ("##[group]Run pytest", "\x1b[31mred\x1b[0m", "##[error]exit code 1", "Post job")
    log = "\ufeff" + "".join(f"{AT}{line}\n" for line in lines)
    assert excerpt(log) == "Run pytest\nred\nexit code 1"


def test_a_log_without_a_marked_error_is_shown_from_its_end() -> None:
    log = "\n".join(f"line {number}" for number in range(100))
    shown = excerpt(log).splitlines()
    assert (len(shown), shown[-1]) == (MAX_LINES, "line 99")
    assert excerpt("") == ""


def test_an_excerpt_is_bounded_and_has_no_control_characters() -> None:
    assert len(excerpt("x" * 10_000_000)) <= MAX_CHARACTERS
    assert len(excerpt("\n".join(["y" * 900] * 100))) <= MAX_CHARACTERS
    assert excerpt("a\u202e\u200bb\x07") == "ab"
