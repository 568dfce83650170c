"""In a repository with hundreds of loops, a job asks for nothing that is not its own loop's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.e2e.conftest import BOT, CARD, REPOSITORY, Hub
from tests.e2e.shapes import ShapedHub

if TYPE_CHECKING:
    from tests.support.git_repository import BareRepository
    from tests.support.git_server import GitRequest

LOOPS = 200
OTHERS = 2000


@dataclass(frozen=True)
class Asked:
    """What one loop of two rounds asked of the two servers, besides its checkouts."""

    git: tuple[GitRequest, ...]
    pushes: int
    api: int

    @property
    def numbers(self) -> tuple[int, int, int]:
        return len(self.git), self.pushes, self.api

    @property
    def bytes_fetched(self) -> int:
        return sum(one.sent for one in self.git if one.service == "upload-pack")


def two_rounds(hub: ShapedHub, task_id: str) -> Asked:
    """Run the loop of a card to its end and say what that took."""
    seen: list[GitRequest] = []
    at: list[int] = []
    hub.prepare = lambda _: at.append(len(hub.git.requests))
    pushes, api = len(hub.git.pushes), len(hub.api.requests)
    inputs = {"task": f".loop/tasks/{task_id}.json"}
    for outcome in ("", "approved"):
        job = hub.job(sender=BOT if outcome else "mona", **inputs)
        assert job.outputs["outcome"] == outcome, job.log
        seen += hub.git.requests[at.pop() :]
        dispatch = hub.api.dispatches[-1].inputs
        inputs = {name.replace("-", "_"): value for name, value in dispatch.items()}
    return Asked(tuple(seen), len(hub.git.pushes) - pushes, len(hub.api.requests) - api)


def crowd(bare: BareRepository) -> None:
    """Add the branches of other loops, a few transitions each, and of other people."""
    main = bare.head("main") or ""
    bare.git("fast-import", "--quiet", stdin="".join(_branches(main)).encode())


def _branches(main: str) -> Iterator[str]:
    who = "committer S <s@example.com> 1700000000 +0000\n"
    for number in range(LOOPS):
        folder = f"refs/heads/loop/X-{number:03}"
        for seq in range(3):
            content = json.dumps({"task_id": f"X-{number:03}", "seq": seq})
            yield f"commit {folder}/state\n{who}data 1\nx\n"
            yield f"M 100644 inline state.json\ndata {len(content)}\n{content}\n"
        yield f"commit {folder}/work\n{who}data 1\nx\nfrom {main}\n"
        yield f"M 100644 inline calc.py\ndata {len(folder)}\n{folder}\n\n"
    for number in range(OTHERS):
        yield f"reset refs/heads/users/{number}\nfrom {main}\n\n"


def own_objects(bare: BareRepository, task_id: str) -> set[str]:
    """The commits of one loop and of the base branch."""
    refs = (f"loop/{task_id}/state", f"loop/{task_id}/work", "main")
    return set(bare.git("rev-list", *(f"refs/heads/{ref}" for ref in refs)).split())


def assert_only_its_own(asked: Asked, bare: BareRepository, task_id: str) -> None:
    """No branch of another loop, or of anybody else, is listed or fetched."""
    questions = [one.question for one in asked.git if one.question.command]
    prefixes = {prefix for question in questions for prefix in question.prefixes}
    own = f"loop/{task_id}/"
    base = ("heads/main", "heads/main/HEAD")
    assert {p for p in prefixes if own not in p and not p.endswith(base)} == set()
    listings = [question for question in questions if question.command == "ls-refs"]
    assert all(question.prefixes for question in listings)
    wants = {want for question in questions for want in question.wants}
    assert wants
    assert wants <= own_objects(bare, task_id)


def test_a_loop_among_two_hundred_costs_what_a_loop_alone_costs(hub: Hub) -> None:
    cards = {
        f".loop/tasks/{id_}.json": json.dumps({**CARD, "task_id": id_}) for id_ in ("A-1", "B-1")
    }
    hub.bare.commit_files("main", cards)
    hub.api.repository(REPOSITORY).label("loop:approved").color = "0e8a16"
    shaped = ShapedHub.of(hub)
    alone = two_rounds(shaped, "A-1")
    crowd(hub.bare)
    assert len(hub.bare.branches()) == 3 + 2 * LOOPS + OTHERS

    crowded = two_rounds(shaped, "B-1")

    assert_only_its_own(alone, hub.bare, "A-1")
    assert_only_its_own(crowded, hub.bare, "B-1")
    assert crowded.numbers == alone.numbers
    assert crowded.pushes == 8
    assert crowded.bytes_fetched < 1.1 * alone.bytes_fetched
