"""The texts that steer agents: what is too long is cut, and that is said once, by name and size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from loop_kit.adapters.loop_dir.guides import Guides
from loop_kit.core.briefing.knowledge import Knowledge
from loop_kit.core.loop.state import Role

LIMIT = 64 * 1024
CODE_WRITER = "docs/roles/code-writer.md"


def guides_of(files: Mapping[str, bytes], warned: list[str]) -> Guides:
    """Guides of a repository that holds `files`."""

    def read(names: Sequence[str]) -> Mapping[str, bytes]:
        return {name: files[name] for name in names if name in files}

    return Guides(read, ".loop", Knowledge, warned.append)


@pytest.mark.parametrize("path", ["AGENTS.md", CODE_WRITER, ".loop/templates/worker_prompt.txt"])
def test_a_text_that_is_too_long_is_cut_and_named_once(path: str) -> None:
    warned: list[str] = []
    guides = guides_of({path: b"x" * (LIMIT + 9)}, warned)

    given = [guides.guidance(role) for role in (Role.WORKER, Role.REVIEWER, Role.WORKER)]

    assert "x" * LIMIT in (given[0].agents_md, given[0].role_md, given[0].template)
    assert warned == [f"{path} has 65545 bytes: agents get the first 65536. Shorten it."]


def test_a_text_of_just_the_limit_is_whole_and_nothing_is_said() -> None:
    warned: list[str] = []
    guides = guides_of({"AGENTS.md": b"x" * LIMIT, CODE_WRITER: b"Sing."}, warned)

    given = guides.guidance(Role.WORKER)

    assert (len(given.agents_md), given.role_md) == (LIMIT, "Sing.")
    assert warned == []


def test_each_of_two_texts_that_are_too_long_is_named() -> None:
    warned: list[str] = []
    files = {"AGENTS.md": b"x" * (LIMIT + 1), CODE_WRITER: b"x" * (LIMIT + 2)}

    guides_of(files, warned).guidance(Role.WORKER)

    assert [line.split()[0] for line in warned] == [CODE_WRITER, "AGENTS.md"]
