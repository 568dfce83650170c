"""What every store promises: the fake, the folder and the state branch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.adapters.conftest import REPOSITORY, Hosted
from tests.adapters.git.test_state_branch import work as commit
from tests.fakes import MemoryServer, MemoryStore
from tests.support.git_server import GitServer

from loop_kit.adapters.loop_dir.file_store import FileStore
from loop_kit.core.loop.messages import (
    AttemptStarted,
    LeaseTaken,
)
from loop_kit.core.loop.state import Lease, LoopState, Phase, Role
from loop_kit.errors import StateRefused
from loop_kit.ports import PushRejected, Store, WorkMoved

TAKEN = LeaseTaken(Lease(holder="one"))
STARTED = AttemptStarted(Role.WORKER, "2030-01-01T00:00:00Z")


@dataclass(frozen=True)
class Stores:
    """One loop: `process` opens it as the next process would; `work` is a commit to push."""

    process: Callable[[], Store]
    corrupt: Callable[[], object]
    push_by_hand: Callable[[], str]
    work: str
    more_work: Callable[[Store], str] = lambda store: "1" * 40


def memory_stores() -> Stores:
    server = MemoryServer()

    def by_hand() -> str:
        server.work_tip = "theirs"
        return "theirs"

    def corrupt() -> None:
        server.state = b"{"

    return Stores(lambda: MemoryStore(server), corrupt, by_hand, "0" * 40)


def file_stores(folder: Path) -> Stores:
    def corrupt() -> None:
        folder.mkdir(exist_ok=True)
        (folder / "state.json").write_bytes(b"{")

    return Stores(lambda: FileStore(folder), corrupt, str, "0" * 40)


def git_stores(server: GitServer, folder: Path) -> Stores:
    server.create_repository(REPOSITORY)
    server.add_token("bot", "github-actions[bot]")
    hosted = Hosted(server, folder)
    work = hosted.bare.commit_files("main", {"a.py": "a\n"}, "Start")
    return Stores(
        hosted.store,
        lambda: hosted.bare.commit_files("loop/T-001/state", {"state.json": "{"}, "Broken"),
        lambda: hosted.bare.commit_files("loop/T-001/work", {"b.py": "b\n"}, "Mine"),
        work,
        lambda store: commit(store._git),  # type: ignore[attr-defined]
    )


@pytest.fixture(params=["memory", "folder", "git"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "git":
        with GitServer(tmp_path / "hosted") as server:
            yield git_stores(server, tmp_path)
    else:
        yield memory_stores() if request.param == "memory" else file_stores(tmp_path / ".loop")


@pytest.fixture(params=["memory", "git"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """A store that several machines write to."""
    if request.param == "git":
        with GitServer(tmp_path / "hosted") as server:
            yield git_stores(server, tmp_path)
    else:
        yield memory_stores()


def state(seq: int, **more: object) -> LoopState:
    known = {"seq": seq, "task_id": "T-001", "round": 1, "state": Phase.AWAITING_WORK}
    return LoopState.model_validate({**known, **more})


def begun(stores: Stores) -> Store:
    store = stores.process()
    store.load()
    store.save(state(1), TAKEN, {"task_card.json": b'{"task_id": "T-001", "goal": "g"}\n'})
    store.sync(stores.work)
    return store


def test_there_is_nothing_before_the_first_save(stores: Stores) -> None:
    store = stores.process()
    assert (store.load(), store.read("fix_list.json"), store.work_tip) == (None, None, "")


def test_what_was_synced_is_there_for_the_next_process(stores: Stores) -> None:
    store = begun(stores)
    store.save(state(2), STARTED, {"fix_list.json": b"{}\n"})
    store.sync()
    later = stores.process()
    assert later.load() == state(2)
    assert later.read("fix_list.json") == b"{}\n"
    assert b"T-001" in (later.read("task_card.json") or b"")


def test_what_was_saved_can_be_read_at_once(stores: Stores) -> None:
    store = begun(stores)
    store.save(state(2), STARTED, {"fix_list.json": b"one\n"})
    assert store.read("fix_list.json") == b"one\n"
    store.save(state(3), STARTED, {"fix_list.json": None})
    assert store.read("fix_list.json") is None
    store.sync()
    assert stores.process().read("fix_list.json") is None


def test_keys_of_a_newer_program_survive(stores: Stores) -> None:
    store = begun(stores)
    store.save(state(2, of_the_future={"a": 1}), STARTED)
    store.sync()
    loaded = stores.process().load()
    assert loaded is not None
    assert loaded.model_dump()["of_the_future"] == {"a": 1}


def test_syncing_twice_is_syncing_once(stores: Stores) -> None:
    store = begun(stores)
    store.sync()
    store.sync(stores.work)
    assert stores.process().load() == state(1)


def test_a_state_that_cannot_be_read_is_refused(stores: Stores) -> None:
    begun(stores)
    stores.corrupt()
    with pytest.raises(StateRefused):
        stores.process().load()


def test_what_was_not_synced_is_not_there_for_others(shared: Stores) -> None:
    store = begun(shared)
    store.save(state(2), STARTED)
    assert shared.process().load() == state(1)


def test_the_work_branch_is_where_it_was_pushed_to(shared: Stores) -> None:
    store = begun(shared)
    assert store.work_tip == shared.work
    later = shared.process()
    later.load()
    assert later.work_tip == shared.work


def test_of_two_that_loaded_the_same_state_only_the_first_is_recorded(shared: Stores) -> None:
    begun(shared)
    one, two = shared.process(), shared.process()
    one.load()
    two.load()
    one.save(state(2, starter="one"), STARTED)
    two.save(state(2, starter="two"), STARTED)
    one.sync()
    with pytest.raises(PushRejected):
        two.sync()
    loaded = shared.process().load()
    assert loaded is not None
    assert loaded.starter == "one"


def test_work_that_a_person_pushed_is_never_overwritten_and_the_state_stays_ours(
    shared: Stores,
) -> None:
    store = begun(shared)
    store.save(state(2), STARTED)
    ours, theirs = shared.more_work(store), shared.push_by_hand()
    with pytest.raises(WorkMoved):
        store.sync(ours)
    assert "held" in store.keep_aside(ours)
    store.save(state(3), STARTED)
    store.sync()
    later = shared.process()
    assert later.load() == state(3)
    assert later.work_tip == theirs
