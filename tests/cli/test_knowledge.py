"""`loop knowledge`, through the installed command: the table, adding, pruning, duplicates."""

from __future__ import annotations

import fcntl
import json
import time
from typing import TYPE_CHECKING

import pytest
from tests.cli.harness import assert_refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.harness import Repo, Result

OLD = "2020-01-01T00:00:00Z"


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def patterns(repo: Repo) -> Path:
    return repo.folder / "context" / "patterns.jsonl"


def write(path: Path, *records: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), "utf-8")


def pattern(
    text: str, confidence: float = 0.9, verified: str = "", **more: str
) -> dict[str, object]:
    dated = {"last_verified": verified or now()}
    return {"pattern": text, "category": "style", "confidence": confidence, **dated, **more}


def add(repo: Repo, *more: str, text: str = "use spaces") -> Result:
    known = ("--pattern", text, "--category", "style", "--confidence", "0.9", "--source", "Mona")
    return repo.loop("knowledge", "add", *known, *more)


def test_without_knowledge_the_list_says_so_and_makes_no_file(repo: Repo) -> None:
    assert repo.loop("knowledge", "list").out == "Nothing is known.\n"
    assert "category 'x'" in repo.loop("knowledge", "list", "--category", "x").out
    assert json.loads(repo.loop("knowledge", "list", "--json").out) == {"entries": [], "total": 0}
    assert repo.tree() == ["task_card.json"]


def test_the_table_has_a_row_for_each_entry(repo: Repo) -> None:
    repo.loop("init")
    (repo.folder / "context" / "project_facts.md").write_text("# Facts\n- it is small\n")
    (repo.folder / "context" / "pitfalls.md").write_text("- it breaks\n")
    write(patterns(repo), pattern("use tabs", source="Mona", source_version=OLD))

    lines = repo.loop("knowledge", "list").out.splitlines()

    cells = [[cell.strip() for cell in line.split("|")] for line in lines[:1] + lines[2:5]]
    assert cells == [
        ["type", "category", "text", "confidence", "source", "source_version"],
        ["facts", "facts", "it is small", "", "", ""],
        ["patterns", "style", "use tabs", "0.90", "Mona", OLD],
        ["pitfalls", "pitfalls", "it breaks", "", "", ""],
    ]
    assert set(lines[1]) == {"-", "+"}
    assert lines[5:] == ["", "Total entries: 3"]


def test_the_list_can_be_of_one_category(repo: Repo) -> None:
    repo.loop("init")
    (repo.folder / "context" / "pitfalls.md").write_text("- it breaks\n")
    write(patterns(repo), pattern("use tabs"), {**pattern("b"), "category": "other"})

    for category, total in (("style", 1), ("pitfalls", 1), ("none", 0)):
        shown = json.loads(repo.loop("knowledge", "list", "--json", "--category", category).out)
        assert (shown["total"], len(shown["entries"])) == (total, total)


def test_what_nobody_verified_for_long_is_shown_as_worth_nothing(repo: Repo) -> None:
    write(patterns(repo), pattern("old", verified=OLD), pattern("new"))

    shown = repo.loop("knowledge", "list")

    assert "0.00" in shown.out
    assert "Not verified for 30 days, so of confidence 0: 1" in shown.out
    entries = json.loads(repo.loop("knowledge", "list", "--json").out)["entries"]
    assert [(entry["text"], entry["stale"]) for entry in entries] == [("new", False), ("old", True)]


def test_a_table_of_hostile_texts_is_still_a_table(repo: Repo) -> None:
    bad = "\x1b]0;owned\x07\x1b[2J\nTotal entries: 99\u202e\ud800"
    write(patterns(repo), {**pattern(bad), "category": bad, "source": bad, "source_version": bad})
    (repo.folder / "context" / "pitfalls.md").write_bytes(
        b"- \x1b[31mred\x1b[0m\xc2\x9b\n\x00- x\r\n"
    )

    shown = repo.loop("knowledge", "list")

    assert shown.code == 0
    assert len(shown.out.splitlines()) == 2 + 3 + 2
    assert "\x1b" not in shown.out
    assert "\u202e" not in shown.out


def test_an_added_pattern_is_in_the_list_and_is_not_there_twice(repo: Repo) -> None:
    added = add(repo)
    again = add(repo, "--confidence", "0.2", text="use  spaces")

    assert (added.code, again.code) == (0, 0)
    assert "entries=1" in again.out
    (entry,) = json.loads(repo.loop("knowledge", "list", "--json").out)["entries"]
    assert (entry["text"], entry["category"]) == ("use spaces", "style")
    assert (entry["confidence"], entry["source"], entry["stale"]) == (0.2, "Mona", False)
    assert entry["source_version"] == entry["last_verified"] != ""


@pytest.mark.parametrize("confidence", ["1.01", "-0.1", "nan", "inf", "high"])
def test_a_confidence_that_is_none_is_a_usage_error(repo: Repo, confidence: str) -> None:
    refused = add(repo, "--confidence", confidence)

    assert refused.code == 2
    assert "--confidence" in refused.err
    assert not patterns(repo).exists()


@pytest.mark.parametrize("left_out", ["pattern", "category", "confidence", "source"])
def test_a_pattern_needs_all_four(repo: Repo, left_out: str) -> None:
    flags = {"pattern": "p", "category": "c", "confidence": "1", "source": "s"}
    given = [
        part for key, value in flags.items() if key != left_out for part in (f"--{key}", value)
    ]

    refused = repo.loop("knowledge", "add", *given)

    assert refused.code == 2
    assert f"--{left_out}" in refused.err


@pytest.mark.parametrize("flag", ["--pattern", "--category", "--source"])
@pytest.mark.parametrize("text", ["", " \n ", "\x1b[0m", "x" * 301, "x" * 99_999])
def test_an_empty_or_endless_text_is_refused(repo: Repo, flag: str, text: str) -> None:
    assert_refused(add(repo, flag, text), 3, flag)
    assert not patterns(repo).exists()


def test_pruning_removes_what_is_old_and_counts(repo: Repo) -> None:
    write(patterns(repo), pattern("old", verified=OLD), pattern("new"))
    (repo.folder / "context" / "pitfalls.md").write_text("- it breaks\n")

    pruned = repo.loop("knowledge", "prune", "--older-than", "30")

    assert pruned.code == 0
    assert "patterns.jsonl: removed=1 kept=1" in pruned.out
    assert "pitfalls.md: removed=0 kept=1" in pruned.out
    assert json.loads(patterns(repo).read_text())["pattern"] == "new"
    assert "removed=0 kept=1" in repo.loop("knowledge", "prune", "--older-than", "30").out
    for days in ("-1", "x"):
        assert repo.loop("knowledge", "prune", "--older-than", days).code == 2
    assert repo.loop("knowledge", "prune").code == 2


def test_duplicates_are_removed_and_the_surest_stays(repo: Repo) -> None:
    write(patterns(repo), pattern("a", 0.1), pattern("a", 0.8), pattern("b"))
    facts = repo.folder / "context" / "project_facts.md"
    facts.write_text("# Facts\n- one\n* one\n")

    swept = repo.loop("knowledge", "dedupe")

    assert swept.code == 0
    assert "patterns.jsonl: removed=1 kept=2" in swept.out
    assert facts.read_text() == "# Facts\n- one\n"
    kept = [json.loads(line)["confidence"] for line in patterns(repo).read_text().splitlines()]
    assert kept == [0.8, 0.9]


def test_a_damaged_file_is_listed_as_empty_and_never_written_over(repo: Repo) -> None:
    patterns(repo).parent.mkdir()
    patterns(repo).write_bytes(b"\xff")

    assert repo.loop("knowledge", "list").code == 0
    assert_refused(add(repo), 3, "patterns.jsonl is not UTF-8")
    assert_refused(repo.loop("knowledge", "dedupe"), 3, "not UTF-8")
    assert_refused(repo.loop("knowledge", "prune", "--older-than", "1"), 3, "not UTF-8")
    assert patterns(repo).read_bytes() == b"\xff"


def test_nothing_is_changed_while_a_run_learns(repo: Repo) -> None:
    with (repo.folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert_refused(add(repo), 5, "already running")
        assert repo.loop("knowledge", "list").code == 0
    assert add(repo).code == 0


def test_the_folder_can_be_named_before_and_after_the_command(repo: Repo) -> None:
    add(repo, "--loop-dir", "other")

    before = repo.loop("knowledge", "--loop-dir", "other", "list", "--json")
    after = repo.loop("knowledge", "list", "--json", "--loop-dir", "other", cwd=repo.home)

    assert json.loads(before.out)["total"] == 1
    assert json.loads(after.out)["total"] == 0
    assert (repo.root / "other" / "context" / "patterns.jsonl").is_file()
    assert not patterns(repo).exists()


def test_without_a_command_it_tells_its_commands(repo: Repo) -> None:
    told = repo.loop("knowledge")

    assert told.code == 2
    for command in ("list", "add", "prune", "dedupe"):
        assert f"  {command} " in told.err
