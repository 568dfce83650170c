"""The folder `.loop/`: what git must not see of it, and logs that do not grow for ever."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.adapters.conftest import Local

from loop_kit.adapters.loop_dir.loop_folder import (
    GENERATED,
    RotatingFile,
    exclude_generated,
    loop_folder,
    remove_drafts,
    repository_root,
    write_atomically,
)


def test_generated_files_are_hidden_and_what_is_the_users_is_not(local: Local) -> None:
    exclude_generated(local.root / ".git", ".loop", run=False)
    for name in (*GENERATED, "config.yaml", "tasks/a.json", "templates/t.txt", "task_card.json"):
        local.write(f".loop/{name}x" if name.endswith("/") else f".loop/{name}", "x")
    shown = local.git.text("status", "--porcelain", "--untracked-files=all").splitlines()
    assert shown == [
        "?? .loop/config.yaml",
        "?? .loop/task_card.json",
        "?? .loop/tasks/a.json",
        "?? .loop/templates/t.txt",
    ]


def test_the_card_is_hidden_only_while_a_run_lasts(local: Local) -> None:
    local.write(".loop/task_card.json", "{}")
    release = exclude_generated(local.root / ".git", ".loop", run=True)
    assert local.git.text("status", "--porcelain") == ""
    release()
    assert local.git.text("status", "--porcelain") == "?? .loop/"


def test_the_block_is_written_once_and_the_users_lines_are_kept(tmp_path: Path) -> None:
    exclude = tmp_path / "info" / "exclude"
    exclude.parent.mkdir()
    exclude.write_bytes(b"# mine\n*.bak\n\xff\n")
    for _ in range(3):
        exclude_generated(tmp_path, ".loop", run=False)
    once = exclude.read_bytes()
    assert once.startswith(b"# mine\n*.bak\n\xff\n# loop-kit: generated files\n")
    assert once.count(b"/.loop/state.json\n") == 1
    exclude.write_bytes(once + b"later\n")
    exclude_generated(tmp_path, ".loop", run=False)
    assert exclude.read_bytes().count(b"/.loop/state.json\n") == 1
    assert b"later\n" in exclude.read_bytes()


def test_the_end_of_a_run_shows_no_file_of_another_work_tree(local: Local, tmp_path: Path) -> None:
    git_dir, side = local.root / ".git", tmp_path / "side"
    local.git.run("worktree", "add", "--quiet", "-b", "side", str(side))
    for root in (local.root, side):
        (root / ".loop").mkdir()
        (root / ".loop" / "task_card.json").write_text("{}")
    quick = exclude_generated(git_dir, ".loop", run=True, folder=local.root / ".loop")
    slow = exclude_generated(git_dir, ".loop", run=True, folder=side / ".loop")
    quick()
    assert local.git.at(side).text("status", "--porcelain") == ""
    slow()
    assert local.git.at(side).text("status", "--porcelain") == "?? .loop/"


def test_a_run_that_was_killed_hides_nothing_once_its_work_tree_is_gone(local: Local) -> None:
    git_dir, gone = local.root / ".git", local.root.parent / "gone" / ".loop"
    exclude_generated(git_dir, ".loop", run=True, folder=gone)
    local.write(".loop/task_card.json", "{}")
    exclude_generated(git_dir, ".loop", run=False)
    assert local.git.text("status", "--porcelain") == "?? .loop/"


def test_loops_in_several_folders_are_hidden_side_by_side(local: Local) -> None:
    git_dir = local.root / ".git"
    for folder in (".loop", "other", ".loop"):
        exclude_generated(git_dir, folder, run=False)
        local.write(f"{folder}/state.json", "{}")
    assert local.git.text("status", "--porcelain") == ""


def test_a_folder_with_the_characters_of_a_pattern_hides_only_itself(local: Local) -> None:
    exclude_generated(local.root / ".git", "l[o]*p ", run=False)
    for folder in ("l[o]*p ", "lop", "loop "):
        local.write(f"{folder}/state.json", "{}")
    shown = local.git.text("status", "--porcelain", "-z").split("\0")[:-1]
    assert shown == ["?? loop /", "?? lop/"]


def test_many_writers_lose_no_line(tmp_path: Path) -> None:
    def run(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        exclude_generated(tmp_path, f"loop-{number}", run=True, folder=folder)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(16)))
    lines = (tmp_path / "info" / "exclude").read_text().splitlines()
    assert {f"/loop-{number}/" for number in range(16)} <= set(lines)


def test_a_block_without_its_end_loses_no_line_of_the_user(tmp_path: Path) -> None:
    exclude = tmp_path / "info" / "exclude"
    exclude.parent.mkdir()
    exclude.write_text("# loop-kit: generated files\nmine\n")
    exclude_generated(tmp_path, ".loop", run=False)
    assert "mine\n" in exclude.read_text()


def test_a_link_in_place_of_the_draft_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (tmp_path / f"state.json.{os.getpid()}.tmp").symlink_to(outside)
    write_atomically(tmp_path / "state.json", b"{}")
    assert outside.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "state.json"]


def test_drafts_of_killed_processes_are_removed_and_nothing_else(tmp_path: Path) -> None:
    below = ("archive/T-001/r1_state.json", "handoff/T-001/worker_r1.json", "context/pitfalls.md")
    drafts = [f"{name}.123.tmp" for name in ("state.json", "runtime/task_card.json", *below)]
    for name in (*drafts, "mine.tmp", "state.json", "tasks/a.json.1.tmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    remove_drafts(tmp_path)
    left = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")]
    assert sorted(left) == ["mine.tmp", "state.json", "tasks/a.json.1.tmp"]


def test_a_log_rotates_and_keeps_three_older_ones(tmp_path: Path) -> None:
    log = RotatingFile(tmp_path / "logs" / "x.log", limit=10)
    for number in range(6):
        log.append(str(number).encode() * 8)
    found = {p.name: p.read_bytes()[:1] for p in (tmp_path / "logs").iterdir()}
    assert found == {"x.log": b"5", "x.log.1": b"4", "x.log.2": b"3", "x.log.3": b"2"}


def test_an_entry_longer_than_the_limit_is_written_whole(tmp_path: Path) -> None:
    log = RotatingFile(tmp_path / "x.log", limit=10)
    log.append(b"x" * 100)
    assert (tmp_path / "x.log").stat().st_size == 100


def test_the_root_is_found_without_git_and_a_folder_counts_from_it(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    assert repository_root(inside) == tmp_path
    assert loop_folder(tmp_path, "") == tmp_path / ".loop"
    assert loop_folder(tmp_path, "/elsewhere") == tmp_path / "/elsewhere"
