"""`loop card`, through the installed command: cards checked, shown, and their JSON Schema."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.cli.harness import CARD, LOOP, Repo, Result, assert_refused
from tests.pages import blocks

from loop_kit.core.card.task import TaskCard
from loop_kit.defaults import text

ROOT = Path(__file__).parents[2]
ISSUE = "Hi!\n\n### Goal\n\nadd is right\n\n### Verify\n\n```shell\nmake test\n```\n"


def written(repo: Repo, name: str, content: str | bytes) -> str:
    raw = content if isinstance(content, bytes) else content.encode()
    (repo.root / name).write_bytes(raw)
    return name


def piped(repo: Repo, content: bytes, *args: str) -> Result:
    """`loop` with something on its standard input."""
    return repo.execute([LOOP, *args], stdin=content)


def test_a_good_card_is_ok_by_its_id_and_path(repo: Repo) -> None:
    written(repo, "b.yml", "task_id: T-2\ngoal: x\n")
    done = repo.loop("card", "check", ".loop/task_card.json", "b.yml")
    assert done == Result(0, "ok: T-001 .loop/task_card.json\nok: T-2 b.yml\n", "")


def test_every_card_is_checked_and_each_error_names_its_file(repo: Repo) -> None:
    written(repo, "a.json", '{"task_id": "T-1", "gaol": "x"}')
    written(repo, "b.json", '{"task_id": "T-2", "goal": "x"}')
    written(repo, "c.yaml", "goal: x\n")
    done = repo.loop("card", "check", "a.json", "b.json", "c.yaml", "missing.json")
    assert_refused(done, 3, "a.json: unknown key 'gaol'.\n  Did you mean 'goal'?")
    assert "c.yaml: 'task_id' is missing." in done.err
    assert "missing.json was not found" in done.err
    assert done.out == "ok: T-2 b.json\n"


@pytest.mark.parametrize(
    "content", [b'\xef\xbb\xbf {"task_id": "T-7", "goal": "x"}', b"task_id: T-7\ngoal: x\n"]
)
def test_a_card_may_come_from_standard_input(repo: Repo, content: bytes) -> None:
    assert piped(repo, content, "card", "check", "-") == Result(0, "ok: T-7 -\n", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a task card is an object"),
        (b"{", "stdin.json: invalid JSON"),
        (b"goal: [", "stdin.yaml: invalid YAML"),
        (b"\xff", "stdin.yaml: not UTF-8 at byte 0"),
        (b"x" * 70_000, "over the limit of 65536"),
    ],
)
def test_nonsense_on_standard_input_is_refused(repo: Repo, content: bytes, words: str) -> None:
    assert_refused(piped(repo, content, "card", "check", "-"), 3, words)


def test_the_text_of_an_issue_is_read_as_the_loop_reads_it(repo: Repo) -> None:
    written(repo, "issue.md", ISSUE)
    assert repo.loop("card", "check", "--issue", "issue.md").out == "ok: issue-0 issue.md\n"
    done = piped(repo, ISSUE.encode(), "card", "check", "--issue", "-")
    assert done == Result(0, "ok: issue-0 -\n", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Please fix it.", "stdin: issue #0 holds no task card"),
        (ISSUE.replace("Verify", "Verfy").encode(), "Did you mean 'Verify'?"),
        (b"\xff", "stdin: not UTF-8 at byte 0"),
        (b"x" * 2_000_000, "over the limit of 65536"),
    ],
)
def test_the_text_of_an_issue_without_a_card_is_refused(
    repo: Repo, content: bytes, words: str
) -> None:
    assert_refused(piped(repo, content, "card", "check", "--issue", "-"), 3, words)


@pytest.mark.parametrize("flags", [(), ("--issue",)], ids=["card", "issue"])
def test_what_is_no_readable_file_is_refused(repo: Repo, flags: tuple[str, ...]) -> None:
    (repo.root / "loop").symlink_to("loop")
    (repo.root / "large").write_bytes(b"x" * 2_000_000)
    for name in (".loop", "loop", "large", "nowhere", "/dev/zero", "x" * 5000):
        assert_refused(repo.loop("card", "check", *flags, name), 3)


def test_nothing_in_a_card_or_its_name_reaches_the_terminal_as_an_escape(repo: Repo) -> None:
    goal = "add\x1b]0;title\x07\x1b[2J\u202e"
    name = written(repo, "a\x1b[31m.json", json.dumps({**CARD, "goal": goal, "\x1b[5m": 1}))
    done = repo.loop("card", "check", name)
    assert_refused(done, 3, "unknown key")
    written(repo, name, json.dumps({**CARD, "goal": goal}))
    shown = repo.loop("card", "show", name)
    checked = repo.loop("card", "check", name)
    assert (shown.code, checked.code) == (0, 0)
    assert "\x1b" not in done.text + shown.text + checked.text
    assert "\u202e" not in shown.text


def test_check_lists_what_is_enforced_and_what_is_not(repo: Repo) -> None:
    repo.card(out_of_scope=["calc.py", "docs/", "the public API"])
    done = repo.loop("card", "check", ".loop/task_card.json")
    assert done.out.splitlines() == [
        "ok: T-001 .loop/task_card.json",
        "  out of scope: calc.py (1 file now)",
        "  out of scope: docs/ (matches no file now: check how it is written)",
        "  not enforced, only read by the agents: the public API",
    ]
    repo.card(out_of_scope=["calc.py  # mine"])
    assert_refused(
        repo.loop("card", "check", ".loop/task_card.json"), 3, "it would protect nothing"
    )


def test_check_needs_a_path_and_card_a_command(repo: Repo) -> None:
    assert repo.loop("card", "check").code == 2
    assert repo.loop("card").code == 2
    assert "schema" in repo.loop("card").err


def test_show_prints_the_card_as_the_loop_would_use_it(repo: Repo) -> None:
    path = repo.card(
        title="Sum",
        goal="add is right\nand quick",
        acceptance_criteria=["1 + 2 is 3", "it is quick"],
        in_scope=["calc.py", "README", "the sums"],
        out_of_scope=["docs/"],
        verify=["make test"],
        limits={"max_rounds": 2},
        worker={"backend": "codex"},
        depends_on=["T-000"],
    )
    done = repo.loop("card", "show")
    assert (done.code, done.err) == (0, "")
    body = done.out.split("\n", 2)
    assert body[0] == f"Card: {path}"
    assert re.fullmatch("SHA-256: [0-9a-f]{64}", body[1])
    assert body[2] == (
        "Task: T-001\nTitle: Sum\nGoal:\n  add is right\n  and quick\n"
        "Acceptance criteria:\n  C1: 1 + 2 is 3\n  C2: it is quick\n"
        "In scope, patterns:\n  calc.py\nIn scope, prose:\n  README\n  the sums\n"
        "Out of scope, patterns:\n  docs/\nVerify:\n  make test\nLimits:\n  max_rounds: 2\n"
        "Worker:\n  backend: codex\nDepends on:\n  T-000\n"
    )


def test_show_for_programs_is_one_json_object(repo: Repo) -> None:
    path = repo.card("task.json", acceptance_criteria=["ü"], in_scope=["calc.py", "README.md"])
    (repo.root / "Makefile").touch()
    repo.card("task.json", acceptance_criteria=["ü"], in_scope=["Makefile", "prose"])
    shown = json.loads(repo.loop("card", "show", "task.json", "--json").out)
    card = TaskCard.model_validate(json.loads(path.read_text("utf-8")))
    assert shown == {
        "path": str(path),
        "sha256": card.sha256,
        "card": {
            "task_id": "T-001",
            "goal": "Make VALUE right.",
            "in_scope": ["Makefile", "prose"],
            "acceptance_criteria": ["ü"],
        },
        "criteria": [{"id": "C1", "text": "ü"}],
        "in_scope": {"patterns": ["Makefile"], "prose": ["prose"]},
        "out_of_scope": {"patterns": [], "prose": []},
    }


def test_show_finds_a_card_by_its_id_and_from_a_subfolder(repo: Repo) -> None:
    repo.card(".loop/tasks/T-005.yaml", task_id="T-005")
    (repo.root / "deep").mkdir()
    assert "Task: T-005\n" in repo.loop("card", "show", "T-005").out
    assert "Task: T-001\n" in repo.loop("card", "show", cwd=repo.root / "deep").out
    assert_refused(repo.loop("card", "show", "T-006"), 3, "T-006 was not found")


def test_the_hash_that_show_prints_is_the_one_that_a_loop_records(repo: Repo) -> None:
    sha = json.loads(repo.loop("card", "show", "--json").out)["sha256"]
    repo.run("--single-round", "--round", "1")
    assert repo.state["card_sha256"] == sha


def schema(repo: Repo) -> dict[str, Any]:
    done = repo.loop("card", "schema")
    assert (done.code, done.err) == (0, "")
    found: dict[str, Any] = json.loads(done.out)
    return found


def objects(part: Any) -> Iterator[Mapping[str, Any]]:
    """Every object schema inside `part`."""
    if isinstance(part, dict):
        if part.get("type") == "object":
            yield part
        for value in part.values():
            yield from objects(value)


def test_the_schema_is_valid_closed_and_describes_every_field(repo: Repo) -> None:
    found = schema(repo)
    Draft202012Validator.check_schema(found)
    assert found["required"] == ["task_id", "goal"]
    assert set(found["properties"]) == {"$schema", *TaskCard.model_fields}
    assert len(list(objects(found))) == 3
    for each in objects(found):
        assert each["additionalProperties"] is False
        assert all(about["description"] for about in each["properties"].values())


def card_on_its_page() -> dict[str, Any]:
    (block,) = blocks("docs/card.md", "json")
    found: dict[str, Any] = json.loads(block)
    return found


@pytest.mark.parametrize(
    "card",
    [
        card_on_its_page(),
        {**json.loads(text("examples/task_card.json")), "goal": "add is right"},
        CARD,
        {**CARD, "limits": {"max_rounds": 1, "max_cost_usd": None}, "depends_on": ["T-1"]},
        {**CARD, "worker": {"backend": "codex", "model": "m"}, "status": "todo"},
    ],
)
def test_the_schema_takes_the_cards_that_we_take(repo: Repo, card: dict[str, Any]) -> None:
    Draft202012Validator(schema(repo)).validate(card)
    assert piped(repo, json.dumps(card).encode(), "card", "check", "-").code == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"goal": None},
        {"goal": " "},
        {"gaol": "x"},
        {"task_id": "../x"},
        {"task_id": "x.lock"},
        {"task_id": "x" * 65},
        {"in_scope": "src/"},
        {"verify": [""]},
        {"limits": {"max_rounds": 0}},
        {"limits": {"rounds": 1}},
        {"depends_on": ["a..b"]},
        {"status": "maybe"},
    ],
    ids=repr,
)
def test_the_schema_refuses_the_cards_that_we_refuse(repo: Repo, wrong: dict[str, Any]) -> None:
    card = {**CARD, **wrong}
    assert list(Draft202012Validator(schema(repo)).iter_errors(card))
    assert piped(repo, json.dumps(card).encode(), "card", "check", "-").code == 3


def test_the_shipped_issue_form_is_one_that_github_takes() -> None:
    checker = LOOP.with_name("check-jsonschema")
    form = ROOT / "src/loop_kit/defaults/github/issue_form.yml"
    done = subprocess.run(
        [str(checker), "--builtin-schema", "vendor.github-issue-forms", str(form)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
