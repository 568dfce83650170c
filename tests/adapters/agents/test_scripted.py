"""The embedded backend: each step, each misbehaviour, and what it says of a wrong script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.adapters.conftest import IDENTITY, Local, environment
from tests.adapters.fake_cli import RecordingReporter, job

from loop_kit.adapters.agents.command_line import Setup
from loop_kit.adapters.agents.script import parse_script
from loop_kit.adapters.agents.scripted import scripted
from loop_kit.core.agent.diagnosis import Problem, ProblemKind
from loop_kit.core.loop.state import Role
from loop_kit.errors import BadBusFile, BadSetting
from loop_kit.ports import AgentExit


class Stage:
    """A repository as the workspace, and scenes played in it."""

    def __init__(self, local: Local, root: Path) -> None:
        self.local = local
        self.root = root
        self.reporter = RecordingReporter()

    def play(self, *steps: dict[str, Any], **more: Any) -> AgentExit:
        scene = {"role": "worker", "steps": list(steps)}
        (self.root / "script.yml").write_text(yaml.safe_dump({"scenes": [scene]}))
        return self.run(**more)

    def run(self, **more: Any) -> AgentExit:
        seen = environment(self.root, **IDENTITY.environment())
        setup = Setup(seen, self.root / "logs", root=self.root, args=("script.yml",))
        wanted = job(self.root, workspace=self.local.root, **more)
        return scripted(setup).run(wanted, self.reporter)

    @property
    def report(self) -> dict[str, Any]:
        raw = (self.root / "mailbox" / "work_report.json").read_bytes()
        document: dict[str, Any] = json.loads(raw)
        return document


def test_a_scene_reports_what_it_used(stage: Stage) -> None:
    told = {"tokens_in": 900, "tokens_cached": 300, "tokens_out": 40, "cost_usd": 0.02}
    spent = stage.play({"usage": {**told, "model": "gpt-5"}}).spent
    assert spent.model_dump(include={*told, "model"}) == {**told, "model": "gpt-5"}


def test_an_implausible_usage_is_unknown(stage: Stage) -> None:
    spent = stage.play({"usage": {"tokens_in": -1, "cost_usd": "much", "model": "a b"}}).spent
    assert (spent.tokens_in, spent.tokens_out, spent.cost_usd, spent.model) == (0, None, None, None)


@pytest.fixture
def stage(local: Local, tmp_path: Path) -> Stage:
    return Stage(local, tmp_path)


def test_a_scene_edits_writes_deletes_runs_commits_and_reports(stage: Stage) -> None:
    ended = stage.play(
        {"say": "Reading"},
        {"edit": {"path": "a.py", "find": "two", "replace": "TWO"}},
        {"write": {"path": "deep/b.py", "text": "b\n"}},
        {"delete": "run.sh"},
        {"run": ["python", "-c", "print('ran')"]},
        {"commit": "Work"},
        {"report": {"notes": "done"}},
    )
    assert ended.exit_code == 0, ended
    root = stage.local.root
    assert (root / "a.py").read_text() == "one\nTWO\nthree\n"
    assert (root / "deep" / "b.py").exists()
    assert not (root / "run.sh").exists()
    assert stage.local.git.text("log", "-1", "--format=%s") == "Work"
    assert stage.report == {
        "task_id": "T-001", "round": 2, "head_sha": stage.local.head, "notes": "done",
    }  # fmt: skip
    assert stage.reporter.activities[0] == "Reading"
    assert "Exit code 0: ran" in stage.reporter.activities


def test_a_report_may_contradict_what_is_filled_in(stage: Stage) -> None:
    stage.play({"report": {"round": 9, "head_sha": "made up"}})
    assert (stage.report["round"], stage.report["head_sha"]) == (9, "made up")


def test_a_crash_ends_the_scene_with_its_code(stage: Stage) -> None:
    assert stage.play({"say": "x"}, {"crash": 7}, {"report": {}}).exit_code == 7
    assert not (stage.root / "mailbox" / "work_report.json").exists()


def test_a_complaint_is_the_message_of_a_failure(stage: Stage) -> None:
    ended = stage.play({"complain": "unauthorized"}, {"crash": 1})
    assert ended.problem == Problem(ProblemKind.UNKNOWN, "unauthorized")


def test_a_hang_is_ended_by_the_timeout(stage: Stage) -> None:
    assert "timed out" in stage.play({"hang": 300}, timeout=1.0).timed_out


def test_garbage_is_as_many_bytes_as_asked_and_no_text(stage: Stage) -> None:
    assert stage.play({"garbage": 100_001}).exit_code == 0
    log = (stage.root / "logs" / "worker_dispatch.log").read_bytes()
    assert log.count(b"\xff") >= 100_001 // 256


def test_a_raw_report_is_written_as_it_is(stage: Stage) -> None:
    stage.play({"raw_report": "{broken"})
    assert (stage.root / "mailbox" / "work_report.json").read_text() == "{broken"


def test_what_lingers_is_a_process_that_gets_away_and_is_ended(stage: Stage) -> None:
    assert stage.play({"linger": 300}, {"report": {}}).exit_code == 0


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"edit": {"path": "a.py", "find": "nowhere", "replace": ""}}, "0 places fit, not 1"),
        ({"edit": {"path": "a.py", "find": "t", "replace": ""}}, "2 places fit, not 1"),
        ({"edit": {"path": "none.py", "find": "x", "replace": ""}}, "No such file"),
        ({"delete": "none.py"}, "No such file"),
        ({"commit": "Nothing"}, "git commit"),
    ],
)
def test_a_step_that_cannot_be_played_says_why(stage: Stage, step: Any, said: str) -> None:
    ended = stage.play(step)
    assert ended.exit_code == 65
    assert said in ended.message
    assert ended.problem is not None
    assert ended.problem.is_permanent


def test_the_first_scene_that_fits_is_played(stage: Stage) -> None:
    scenes = [
        {"role": "reviewer", "steps": [{"say": "reviewer"}]},
        {"role": "worker", "round": 1, "steps": [{"say": "round 1"}]},
        {"role": "worker", "round": 2, "attempt": 2, "steps": [{"say": "again"}]},
        {"role": "worker", "round": 2, "steps": [{"say": "round 2"}]},
    ]
    (stage.root / "script.yml").write_text(yaml.safe_dump({"scenes": scenes}))
    stage.run()
    stage.run(attempt=2)
    stage.run(role=Role.REVIEWER)
    assert stage.reporter.activities == ["round 2", "again", "reviewer"]


def test_a_job_without_a_scene_is_a_failure(stage: Stage) -> None:
    (stage.root / "script.yml").write_text("scenes: []\n")
    ended = stage.run()
    assert ended.exit_code == 64
    assert "no scene for worker, round 2" in ended.message


def test_a_module_in_the_repository_is_never_imported(stage: Stage) -> None:
    stage.local.write("json.py", "raise SystemExit('stolen')\n")
    stage.local.write("loop_kit/__init__.py", "raise SystemExit('stolen')\n")
    assert stage.play({"report": {}}).exit_code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scenes: {", "invalid YAML"),
        ("[]", "the document"),
        ("{scenes: [], scene: []}", "unknown key 'scene'"),
        ("scenes: [{role: worker, steps: [{say: a, commit: b}]}]", "exactly one key"),
        ("scenes: [{role: worker, steps: [{explode: 1}]}]", "unknown key"),
        ("scenes: [{role: boss, steps: []}]", "role"),
    ],
)
def test_a_wrong_script_is_refused_before_anything_runs(text: str, said: str) -> None:
    with pytest.raises(BadBusFile, match=said):
        parse_script(text.encode(), "script.yml")


def test_a_script_that_is_no_text_or_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBusFile):
        parse_script(b"\xff\xfe\x00", "script.yml")
    with pytest.raises(BadBusFile, match="cannot be read"):
        scripted(Setup({}, tmp_path, root=tmp_path))
    with pytest.raises(BadSetting, match="one argument"):
        scripted(Setup({}, tmp_path, root=tmp_path, args=("a", "b")))
