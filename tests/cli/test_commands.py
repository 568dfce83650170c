"""`init`, `status`, `demo`, `--version`, the lock, a corrupt state, and people as agents."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.cli.harness import ISSUE, Repo, assert_refused, ended_by, eventually, read_until
from tests.support.programs import LOOP

CORRUPT = {
    "truncated": b'{"state": "awaiting_w',
    "a list": b"[1]",
    "not UTF-8": b"\xff\xfe{}",
    "ill-typed": b'{"state": 5, "round": []}',
    "half a character": b'{"state": "done", "task_id": "\\ud800"}',
}


def test_init_makes_the_folder_and_overwrites_nothing(repo: Repo) -> None:
    result = repo.loop("init")
    assert result.code == 0
    names = repo.tree()
    for name in ("examples/task_card", "templates/worker_prompt", "templates/reviewer_prompt"):
        assert any(found.startswith(name) for found in names)
    for name in ("logs", "runtime", "archive", "handoff", "context"):
        assert (repo.folder / name).is_dir()
    template = repo.folder / "templates" / "worker_prompt.txt"
    template.write_text("Mine: {task_id}, {work_report_path}")
    assert repo.loop("init").code == 0
    assert template.read_text() == "Mine: {task_id}, {work_report_path}"
    assert not (repo.root / ".gitignore").exists()
    assert repo.run().code == 0
    prompt = repo.calls[0].stdin
    assert prompt.startswith("Mine: T-001, ")
    assert prompt.splitlines()[0].endswith("work_report.json")


def test_init_makes_empty_context_files_and_overwrites_none(repo: Repo) -> None:
    repo.loop("init")
    folder = repo.folder / "context"
    assert repo.json("context/module_map.json")["files"] == []
    assert repo.json("context/module_map.json")["total_files"] == 0
    assert (folder / "patterns.jsonl").read_bytes() == b""
    for name in ("project_facts.md", "pitfalls.md"):
        heading, blank, comment = (folder / name).read_text("utf-8").splitlines()
        assert (heading[:2], blank, comment[:4], comment[-3:]) == ("# ", "", "<!--", "-->")
    for path in folder.iterdir():
        path.write_text("mine")
    assert repo.loop("init").code == 0
    assert {path.read_text() for path in folder.iterdir()} == {"mine"}


def test_init_follows_no_link_that_leads_nowhere(repo: Repo) -> None:
    (repo.folder / "context").mkdir()
    (repo.folder / "context" / "pitfalls.md").symlink_to(repo.home / "planted")
    assert repo.loop("init").code == 0
    assert not (repo.home / "planted").exists()


def test_the_example_card_of_init_can_be_run_once_it_has_a_goal(repo: Repo) -> None:
    assert repo.loop("init").code == 0
    repo.plan({"worker": [{"write": {"src/x.py": "A = 1\n"}}, {"report": {}}]})
    example = (repo.folder / "examples/task_card.json").read_text()
    (repo.folder / "mine.json").write_text(example.replace("Say in one or two", "A in two"))

    refused = repo.run("--task", ".loop/examples/task_card.json", "--max-rounds", "1")
    assert refused.code == 3
    assert "the goal is still that of the example" in refused.err
    assert not repo.names
    result = repo.run("--task", ".loop/mine.json", "--max-rounds", "1")
    assert result.code in {0, 7}, result.text
    assert repo.names


def test_status_before_any_run_is_idle(repo: Repo) -> None:
    result = repo.loop("status")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[:2] == ["State: idle", "Round: 0"]
    assert "  task_card.json: EXISTS" in lines
    assert "  work_report.json: missing" in lines
    assert "Task ID" not in result.out
    assert "Outcome" not in result.out
    assert lines[8:] == [
        "Context files:",
        "  project_facts.md: missing (facts=0)",
        "  pitfalls.md: missing (pitfalls=0)",
        "  patterns.jsonl: missing (entries=0, high_confidence=0, stale=0)",
        "Heartbeats:",
        "  worker.heartbeat.json: missing",
        "  reviewer.heartbeat.json: missing",
    ]
    assert repo.tree() == ["task_card.json"]


def test_status_counts_what_is_known(repo: Repo) -> None:
    repo.loop("init")
    folder = repo.folder / "context"
    (folder / "project_facts.md").write_text("# Facts\n- one\n<!-- no -->\n* two\n")
    records = [{"pattern": f"{n}", "category": "c", "confidence": n / 10} for n in range(10)]
    dated = [{**r, "last_verified": time.strftime("%Y-%m-%d", time.gmtime())} for r in records]
    (folder / "patterns.jsonl").write_text(
        "".join(json.dumps(record) + "\n" for record in [*dated[5:], *records[:2], dated[5]])
    )
    (folder / "pitfalls.md").write_bytes(b"\xff")
    lines = repo.loop("status").out.splitlines()
    assert "  project_facts.md: EXISTS (facts=2)" in lines
    assert "  pitfalls.md: unreadable (pitfalls=0)" in lines
    assert "  patterns.jsonl: EXISTS (entries=7, high_confidence=3, stale=2)" in lines
    context = json.loads(repo.loop("status", "--json").out)["context"]
    assert context == {
        "project_facts.md": {"exists": True, "readable": True, "facts": 2},
        "pitfalls.md": {"exists": True, "readable": False, "pitfalls": 0},
        "patterns.jsonl": {
            "exists": True,
            "readable": True,
            "entries": 7,
            "high_confidence": 3,
            "stale": 2,
        },
    }


def test_status_prints_no_escape_of_a_state_that_somebody_wrote(repo: Repo) -> None:
    state = {
        "state": "done\x1b[2J",
        "round": "\x1b]0;x\x07",
        "task_id": "a\nb",
        "outcome": "\x9bx",
    }
    (repo.folder / "state.json").write_text(json.dumps(state))
    result = repo.loop("status")
    assert result.out.splitlines()[:3] == ["State: done", "Round: ", "Task ID: a b"]
    assert not {"\x1b", "\x07", "\x9b"} & set(result.out)


def test_status_after_a_run_names_its_round_and_outcome(repo: Repo) -> None:
    repo.plan({"reviewer": [{"stderr": "unauthorized"}, {"exit": 1}]})
    assert repo.run().code == 2
    text = repo.loop("status").out
    for line in ("State: done", "Round: 1", "Task ID: T-001", "Outcome: reviewer_dispatch_failed"):
        assert line in text.splitlines()
    assert repo.head not in text
    shown = json.loads(repo.loop("status", "--json").out)
    assert (shown["state"], shown["round"], shown["task_id"]) == ("done", 1, "T-001")
    assert shown["outcome"] == "reviewer_dispatch_failed"
    assert shown["resume_phase"] == "awaiting_review"


@pytest.mark.parametrize("kind", CORRUPT)
def test_a_corrupt_state_is_warned_of_by_status_and_refused_by_resume(
    repo: Repo, kind: str
) -> None:
    path = repo.folder / "state.json"
    path.write_bytes(CORRUPT[kind])
    for args in (("status",), ("status", "--json")):
        result = repo.loop(*args)
        assert result.code == 0, result.text
        assert "Traceback" not in result.text
    if kind not in {"ill-typed", "half a character"}:
        assert "state.json" in result.err
        assert '"state": "idle"' in result.out
    assert_refused(repo.run("--resume"), 5)
    assert path.read_bytes() == CORRUPT[kind]
    assert repo.names == []


def test_a_fresh_run_sets_a_corrupt_state_aside(repo: Repo) -> None:
    (repo.folder / "state.json").write_bytes(b"{")
    result = repo.run()
    assert result.code == 0
    assert "state.json.corrupt" in result.err
    assert (repo.folder / "state.json.corrupt").read_bytes() == b"{"


def test_a_second_run_at_once_is_refused_and_touches_nothing(repo: Repo) -> None:
    repo.plan({"worker/1/1": [{"gate": "middle"}, {"write": {"calc.py": "1"}}, {"report": {}}]})
    process = repo.start()
    repo.reached("middle")
    before = (repo.folder / "state.json").read_bytes()
    assert_refused(repo.run(), 5, "already running")
    assert_refused(repo.run("--resume"), 5, "already running")
    assert (repo.folder / "state.json").read_bytes() == before
    assert "State: awaiting_work" in repo.loop("status").out
    repo.open("middle")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert repo.names == ["worker/1/1", "reviewer/1/1"]


def test_a_running_loop_can_be_watched_and_its_logs_followed_until_it_is_over(repo: Repo) -> None:
    repo.plan({"worker/1/1": [{"gate": "middle"}, {"write": {"calc.py": "1"}}, {"report": {}}]})
    process = repo.start()
    repo.reached("middle")
    watched = repo.launch([LOOP, "status", "--watch"])
    followed = repo.launch([LOOP, "logs", "--follow"])
    seen = [read_until(watched, "State: awaiting_work"), read_until(followed, "worker, attempt 1")]
    repo.open("middle")
    process.communicate(timeout=60)
    rest = [each.communicate(timeout=60)[0] for each in (watched, followed)]

    assert (process.returncode, watched.returncode, followed.returncode) == (0, 0, 0)
    status, logs = (first + later for first, later in zip(seen, rest, strict=True))
    states = [line for line in status.splitlines() if line.startswith("State: ")]
    assert (states[0], states[-1]) == ("State: awaiting_work", "State: done")
    assert [line for line in logs.splitlines() if line.startswith("==")] == [
        "== round 1, worker, attempt 1 ==",
        "== round 1, reviewer, attempt 1 ==",
    ]


def test_the_lock_goes_with_a_process_that_is_killed(repo: Repo) -> None:
    repo.plan({"worker/1/1": [{"gate": "middle"}, {"exit": 1}]})
    process = repo.start()
    repo.reached("middle")
    ended_by(process, 9)
    repo.open("middle")
    repo.plan({})
    assert repo.run().code == 0


def test_a_state_that_is_read_during_a_run_is_always_whole(repo: Repo) -> None:
    process = repo.start()
    path = repo.folder / "state.json"
    seen: set[str] = set()
    while process.poll() is None:
        if path.exists():
            seen.add(json.loads(path.read_text("utf-8"))["state"])
    assert "awaiting_work" in seen


@pytest.mark.parametrize("text", ["loop ", "--help"])
def test_version_and_help(repo: Repo, text: str) -> None:
    result = repo.loop("--version" if text == "loop " else "--help")
    assert result.code == 0
    assert result.out.startswith("loop " if text == "loop " else "Usage: loop")
    assert repo.loop().out.startswith("Usage: loop")


def test_the_demo_takes_two_rounds_and_needs_nothing(repo: Repo, tmp_path: Path) -> None:
    folder = tmp_path / "a demo"
    bare = {"HOME": str(tmp_path / "nowhere"), "PATH": "/usr/bin:/bin"}
    result = repo.loop("demo", "--dir", str(folder), env=bare)
    assert result.code == 0, result.text
    summary = json.loads((folder / ".loop" / "summary.json").read_text("utf-8"))
    assert (summary["outcome"], summary["rounds"]) == ("approved", 2)
    state = json.loads((folder / ".loop" / "state.json").read_text("utf-8"))
    assert [finding["provenance"] for finding in state["findings"]] == ["pre-existing"]
    assert repo.git("log", "--format=%s", cwd=folder).count("\n") == 2
    assert repo.git("status", "--porcelain", "--untracked-files=no", cwd=folder) == ""
    assert_refused(repo.loop("demo", "--dir", str(folder), env=bare), 3, "not empty")


def test_people_can_play_both_roles(repo: Repo) -> None:
    process = repo.start("--max-rounds", "2", auto=False)

    def tell(name: str, **body: object) -> None:
        document = {"task_id": "T-001", **body}
        (repo.folder / f"draft-{name}").write_text(json.dumps(document))
        (repo.folder / f"draft-{name}").replace(repo.folder / name)

    def waits_for(role: str, round_: int) -> None:
        assert process.stdout is not None
        line = ""
        while f"Tell the {role}: round {round_}" not in line:
            line = process.stdout.readline()
            assert line, "the run ended"

    waits_for("Worker", 1)
    (repo.root / "calc.py").write_text("VALUE = 1\n")
    repo.git("commit", "--quiet", "-am", "One")
    tell("work_report.json", round=1, head_sha="x", notes="by hand")
    waits_for("Reviewer", 1)
    tell("review_report.json", round=1, decision="changes_required", blocking_issues=[ISSUE])
    waits_for("Worker", 2)
    (repo.root / "calc.py").write_text("VALUE = 2\n")
    repo.git("commit", "--quiet", "-am", "Two")
    tell("work_report.json", round=2, head_sha=repo.head)
    waits_for("Reviewer", 2)
    tell("review_report.json", round=2, decision="approve")
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 0, text
    assert "Approved in round 2." in text
    assert repo.names == []
    assert repo.git("show", "HEAD~1:calc.py") == "VALUE = 1"
    assert repo.json("archive/T-001/r1_work_report.json")["notes"] == "by hand"


def test_people_are_waited_for_no_longer_than_they_are_given(repo: Repo) -> None:
    result = repo.loop("run", "--timeout", "1")
    assert result.code == 2
    assert repo.ended == ("done", "worker_timeout")
    assert "--timeout" in result.text


def test_a_person_can_be_the_reviewer_of_an_agents_work(repo: Repo) -> None:
    process = repo.start("--reviewer-backend", "manual")
    request = repo.folder / "review_request.json"
    eventually(lambda: request.exists() and repo.state.get("attempt") is not None, "the request")
    (repo.folder / "review_report.json").write_text('{"task_id": "T-0')
    report = {"task_id": "T-001", "round": 1, "decision": "approve"}
    draft = repo.folder / "draft"
    draft.write_text(json.dumps(report))
    draft.replace(repo.folder / "review_report.json")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert repo.names == ["worker/1/1"]


def test_auto_dispatch_can_be_configured_and_a_flag_overrides_it(repo: Repo) -> None:
    (repo.folder / "config.yaml").write_text("auto_dispatch: true\nmax-rounds: 2\n")
    assert repo.loop("run").code == 0
    assert repo.state["limits"]["max_rounds"] == 2
    assert repo.loop("run", "--manual", "--timeout", "1").code == 2
    assert repo.names == ["worker/1/1", "reviewer/1/1"]


def test_flags_beat_variables_and_variables_beat_the_configuration(repo: Repo) -> None:
    (repo.folder / "config.yaml").write_text("max_rounds: 2\ndispatch_retries: 7\n")
    repo.extra = {"LOOP_MAX_ROUNDS": "4", "LOOP_DISPATCH_RETRIES": "6"}
    assert repo.run("--max-rounds", "5").code == 0
    assert repo.state["limits"]["max_rounds"] == 5
    assert repo.state["limits"]["dispatch_retries"] == 6


def test_a_task_is_found_by_its_id_in_the_folder_of_tasks(repo: Repo) -> None:
    repo.card(".loop/tasks/T-9-a-name.json", task_id="T-9")
    assert repo.run("T-9").code == 0
    assert repo.state["task_id"] == "T-9"


def test_a_second_task_starts_afresh(repo: Repo) -> None:
    assert repo.run().code == 0
    repo.card("two.json", task_id="T-002")
    repo.plan({"worker": [{"write": {"calc.py": "VALUE = 5\n"}}, {"report": {}}]})
    assert repo.run("--task", "two.json").code == 0
    assert repo.state["task_id"] == "T-002"
    assert len(repo.state["round_details"]) == 1
    assert repo.json("archive/T-001/r1_work_report.json")["task_id"] == "T-001"
    assert "T-001" not in repo.calls[2].stdin


def test_status_names_the_checks_that_an_approval_waits_for_and_what_to_type(repo: Repo) -> None:
    waits = {"task_id": "T-001", "seq": 9, "state": "awaiting_review", "round": 1}
    state = {**waits, "waiting_for": ["unit \x1b[31mtests", "lint"]}
    (repo.folder / "state.json").write_text(json.dumps(state))
    shown = repo.loop("status").out
    assert "Waiting for:\n" in shown
    assert "lint" in shown
    assert "CI continues it. To see it then:\n    loop fetch T-001 --force\n" in shown
    assert "--resume" not in shown
    assert "\x1b" not in shown
