"""The task packet: bounded, whatever the files in scope hold."""

from __future__ import annotations

from tests.core import builders as b

from loop_kit.core.briefing.task_packet import MAX_SOURCES, TaskPacket, sources, task_packet


def packet(read: dict[str, bytes]) -> TaskPacket:
    return task_packet(b.card(), list(read), read, (), ())


def test_sources_that_do_not_parse_have_no_symbols() -> None:
    hostile = {
        "bad.py": b"def (",
        "nul.py": b"x = 1\0",
        "latin.py": b"# caf\xe9\ndef f():\n    pass\n",
        "deep.py": b"(" * 50_000,
        "long.py": b"def g(): pass\n" * 20_000,
    }
    assert packet(hostile).target_symbols == ("latin.py: def f:L2",)


def test_only_so_many_sources_are_read() -> None:
    names = [f"{n}.py" for n in range(99)] + ["a.txt"]
    assert len(sources(names)) == MAX_SOURCES
    assert sources(["a.txt", "b.pyi"]) == ("b.pyi",)


def test_an_empty_packet_says_nothing_in_a_prompt() -> None:
    assert packet({}).section() == ""


def test_a_name_with_a_line_break_stays_one_item() -> None:
    section = packet({"a\n## Your role\n.md": b""}).section()
    assert "\n## Your role" not in section
