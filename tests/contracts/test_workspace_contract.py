"""What every workspace of a program promises: the fake, and isolated clones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.adapters.conftest import IDENTITY, Local, environment, make_local, workplace
from tests.adapters.workspaces.stand_ins import Scratch
from tests.fakes import MemoryRepository, MemoryWorkspaces

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import GitRepository
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.core.loop import bus
from loop_kit.core.loop.state import Role
from loop_kit.errors import LoopError
from loop_kit.ports import Repository, Workspaces


@dataclass(frozen=True)
class Place:
    """Where agents work, and how an agent changes and commits files there."""

    workspaces: Workspaces
    repository: Repository
    base: str
    write: Callable[[Path, str, bytes], object]
    commit: Callable[[Path, str], str]


def memory_place() -> Place:
    repository = MemoryRepository()
    workspaces = MemoryWorkspaces(repository)
    base = repository.commit("", {"a.py": b"a\n"}, "Base")

    def write(path: Path, name: str, content: bytes) -> None:
        workspaces.at(path).files[name] = content

    return Place(workspaces, repository, base, write, lambda p, m: workspaces.at(p).commit(m))


def write_file(path: Path, name: str, content: bytes) -> None:
    (path / name).write_bytes(content)


def commit_all(path: Path, message: str) -> str:
    git = Git(path, {**environment(path), **IDENTITY.environment()})
    git.run("add", "--all")
    git.run("commit", "--quiet", "--allow-empty", "--message", message)
    return git.text("rev-parse", "HEAD")


def git_place(local: Local, workspaces: Workspaces) -> Place:
    return Place(workspaces, GitRepository(local.git), local.head, write_file, commit_all)


@pytest.fixture(params=["memory", "clones"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        return memory_place()
    local = make_local(tmp_path / "repository")
    local.commit({"a.py": "a\n"}, "Base")
    cloner = Cloner(local.git, local.root / ".git", Scratch(tmp_path / "scratch"))
    return git_place(local, Clones(workplace(cloner), IDENTITY))


def test_nothing_done_is_the_commit_it_was_opened_at(place: Place) -> None:
    workspace = place.workspaces.open(Role.WORKER, place.base)
    assert workspace.collect("Leftovers").head == place.base
    workspace.close()


def test_commits_and_leftovers_come_home_in_this_order(place: Place) -> None:
    workspace = place.workspaces.open(Role.WORKER, place.base)
    place.write(workspace.path, "b.py", b"b\n")
    mine = place.commit(workspace.path, "Mine")
    place.write(workspace.path, "c.py", b"c\n")

    head = workspace.collect("Leftovers").head
    workspace.close()

    span = place.repository.span(place.base, head)
    assert [c.subject.partition(" ")[2] for c in span.commits] == ["Leftovers", "Mine"]
    assert span.commits[1].sha == mine
    assert (span.descends, span.same_tree) == (True, False)
    assert place.repository.read(head, "c.py") == b"c\n"
    assert place.repository.read(head, "nowhere.py") is None


def test_collecting_twice_is_collecting_once(place: Place) -> None:
    workspace = place.workspaces.open(Role.WORKER, place.base)
    place.write(workspace.path, "b.py", b"b\n")
    place.commit(workspace.path, "Mine")
    head = workspace.collect("Leftovers").head
    assert workspace.collect("Leftovers").head == head


def test_what_a_failed_attempt_did_is_there_for_the_next(place: Place) -> None:
    first = place.workspaces.open(Role.WORKER, place.base)
    place.write(first.path, "half.py", b"half\n")
    half = first.collect("Half").head
    first.close()

    second = place.workspaces.open(Role.WORKER, place.base, half)
    place.write(second.path, "rest.py", b"rest\n")
    head = second.collect("Rest").head

    assert place.repository.read(head, "half.py") == b"half\n"
    assert place.repository.read(head, "rest.py") == b"rest\n"


def test_what_tools_leave_is_named_and_not_committed(place: Place) -> None:
    workspace = place.workspaces.open(Role.WORKER, place.base)
    place.write(workspace.path, "new.py", b"new\n")
    place.write(workspace.path, "debug.log", b"noise\n")
    collected = workspace.collect("Leftovers")
    assert place.repository.read(collected.head, "new.py") == b"new\n"
    assert place.repository.read(collected.head, "debug.log") is None
    assert "debug.log" in collected.notes[0]


def test_conflict_markers_are_named_and_are_in_no_commit_of_the_worker(place: Place) -> None:
    workspace = place.workspaces.open(Role.WORKER, place.base)
    place.write(workspace.path, "a.py", b"<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> z\n")
    collected = workspace.collect("Leftovers")
    assert "a.py" in str(collected.unfinished)
    assert collected.own == place.base


def test_the_commit_that_a_report_names_counts_where_head_did_not_move(place: Place) -> None:
    first = place.workspaces.open(Role.WORKER, place.base)
    place.write(first.path, "b.py", b"b\n")
    made = place.commit(first.path, "Mine")
    first.collect("Leftovers")
    first.close()

    second = place.workspaces.open(Role.WORKER, place.base)
    collected = second.collect("Leftovers", made)
    assert collected.head == made
    assert made[:10] in collected.notes[0]


def test_a_reviewer_that_only_looks_and_leaves_new_files_has_touched_nothing(
    place: Place,
) -> None:
    workspace = place.workspaces.open(Role.REVIEWER, place.base)
    before = workspace.fingerprint()
    place.write(workspace.path, "cache.bin", b"x")
    assert workspace.fingerprint() == before


def test_a_reviewer_that_changes_a_tracked_file_is_noticed(place: Place) -> None:
    workspace = place.workspaces.open(Role.REVIEWER, place.base)
    before = workspace.fingerprint()
    place.write(workspace.path, "a.py", b"b\n")
    assert workspace.fingerprint() != before


def test_a_reviewer_that_commits_is_noticed(place: Place) -> None:
    workspace = place.workspaces.open(Role.REVIEWER, place.base)
    before = workspace.fingerprint()
    place.commit(workspace.path, "Empty")
    assert workspace.fingerprint() != before


def test_a_commit_that_is_not_here_is_refused(place: Place) -> None:
    with pytest.raises(LoopError):
        place.workspaces.open(Role.WORKER, "1" * 40)


def test_the_net_change_and_the_diff_agree(place: Place, tmp_path: Path) -> None:
    workspace = place.workspaces.open(Role.WORKER, place.base)
    place.write(workspace.path, "b.py", b"one\ntwo\n")
    head = workspace.collect("Leftovers").head
    net = place.repository.net_change(place.base, head)
    diff = place.repository.diff(place.base, head, 1000, tmp_path / "x.patch")
    assert [change.path for change in net.changes] == ["b.py"]
    assert (diff.files, diff.lines_added, diff.truncated) == (1, 2, False)


def test_git_in_a_clone_ignores_the_bus_and_nothing_else(tmp_path: Path) -> None:
    local = make_local(tmp_path / "repository")
    base = local.commit({"a.py": "a\n", ".loop/config.yaml": "max_rounds: 5\n"}, "Base")
    cloner = Cloner(local.git, local.root / ".git", Scratch(tmp_path / "scratch"))
    workspace = Clones(workplace(cloner), IDENTITY).open(Role.WORKER, base)
    for name in (*bus.IN_WORKSPACE, "notes.txt"):
        write_file(workspace.path, f".loop/{name}", b"x")
    git = Git(workspace.path, environment(workspace.path))
    assert git.text("status", "--porcelain", "--untracked-files=all") == "?? .loop/notes.txt"


def test_a_workspace_knows_what_its_commit_tracks_whatever_the_agent_stages(
    tmp_path: Path,
) -> None:
    local = make_local(tmp_path / "repository")
    base = local.commit({".loop/task_card.json": "{}", ".loop/tasks/T-001.json": "{}"}, "Base")
    cloner = Cloner(local.git, local.root / ".git", Scratch(tmp_path / "scratch"))
    workspace = Clones(workplace(cloner), IDENTITY).open(Role.WORKER, base)
    write_file(workspace.path, ".loop/state.json", b"x")
    git = Git(workspace.path, environment(workspace.path))
    git.run("add", "--force", ".loop/state.json")
    asked = (".loop/task_card.json", ".loop/state.json", "loop", ".loop/tasks")
    assert workspace.tracked(asked) == {".loop/task_card.json", ".loop/tasks"}
    assert workspace.tracked((".loop",)) == {".loop"}
