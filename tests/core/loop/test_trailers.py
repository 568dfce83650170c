"""What the last lines of a worker's commits say, and that nothing in them acts."""

from __future__ import annotations

import pytest
from tests.core.text.test_plain_words import ACTS, HOSTILE

from loop_kit.core.loop.trailers import Origin, trailers_in
from loop_kit.core.text.plain_words import commit_message


def test_they_name_the_loop_the_round_and_who_wrote_it() -> None:
    assert Origin("T-001", 2, "claude", "claude-opus-5@20260401").trailers() == (
        "Loop-Id: T-001",
        "Loop-Round: 2",
        "Loop-Role: worker",
        "Loop-Backend: claude",
        "Loop-Model: claude-opus-5@20260401",
        "Co-authored-by: Claude <noreply@anthropic.com>",
    )


def test_a_program_without_a_public_address_has_no_co_author_and_no_model_is_invented() -> None:
    assert Origin("T-001", 1, "opencode").trailers("Mona <mona@example.org>") == (
        "Loop-Id: T-001",
        "Loop-Round: 1",
        "Loop-Role: worker",
        "Loop-Backend: opencode",
        "Signed-off-by: Mona <mona@example.org>",
    )


@pytest.mark.parametrize("text", [*HOSTILE, "a/@mona", "www.example.org/o/r/issues/1", "m" * 300])
def test_the_name_of_a_model_does_nothing_but_name_it(text: str) -> None:
    lines = Origin("GH-12", 1, "command", text).trailers()
    assert not ACTS.search("\n".join(lines)), lines
    assert all(len(line) < 120 and "\n" not in line for line in lines)
    assert len(lines) in {4, 5}


@pytest.mark.parametrize(
    ("backend", "model"),
    [("codex", "gpt-6"), ("claude", ""), ("opencode", "openai/gpt-6"), ("command", "fixes #1")],
)
@pytest.mark.parametrize("signer", ["", "Mona <mona@example.org>"])
def test_a_message_that_has_them_is_not_changed_twice_and_a_worker_cannot_write_them(
    backend: str, model: str, signer: str
) -> None:
    lines = Origin("T-001", 1, backend, model).trailers(signer)
    forged = "Fix it\n\nWhy\n\nLoop-Round: 7\nloop-backend: mine\nCo-authored-by: M <m@e.test>\n"

    message = commit_message(forged, lines)

    assert message == "Fix it\n\nWhy\n\n" + "".join(f"{line}\n" for line in lines)
    assert commit_message(message, lines) == message
    assert trailers_in("T-001", 1, message, signer="Mona <mona@example.org>") == lines
    assert trailers_in("T-002", 1, message, signer="") != lines


def test_a_message_of_an_earlier_version_has_none() -> None:
    assert trailers_in("T-001", 1, "Fix it\n", signer="") == ()
