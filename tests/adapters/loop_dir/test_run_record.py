"""The record of a run: which files each attempt leaves, and what bounds them."""

import json
from pathlib import Path

import pytest
from tests.core import builders as b
from tests.fakes import FakeClock

from loop_kit.adapters.loop_dir.bounded_file import BoundedFile
from loop_kit.adapters.loop_dir.run_record import MAX_RUNS, RunRecord, export_record
from loop_kit.core.agent.activity import Activity
from loop_kit.core.loop.run_record import Level
from loop_kit.core.loop.state import Role
from loop_kit.core.secrets.forms import Forms, unnamed
from loop_kit.settings import resolve

KEY = "sk-proj-0123456789abcdefghij"
STATE = b.after(b.awaiting_work(), b.attempted(Role.WORKER))
RUN = "2025-01-02T03-04-05Z"


def record_in(folder: Path, level: Level = "full") -> RunRecord:
    return RunRecord(folder / "runs", level, Forms(unnamed((KEY,))), FakeClock())


def kept(folder: Path) -> dict[str, str]:
    root = folder / "runs"
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in files}


def test_an_attempt_leaves_what_it_was_told_did_and_left_without_secrets(tmp_path: Path) -> None:
    record, place = record_in(tmp_path), (STATE, Role.WORKER, 1, 1)
    log = record.verify_log("a" * 40, f"make test TOKEN={KEY}")
    log(b"1 passed\n")
    log(b"")
    record.keep(*place, "prompt.md", f"Use {KEY}.".encode())
    record.event("dispatch_start", STATE, {"role": "worker", "attempt": 1})
    record.activity(Role.WORKER, Activity("Reading", "a.py", begins=True))
    record.activity(Role.WORKER, Activity("Editing", "a.py\u202e"))
    record.end_attempt(Role.WORKER, 3.2, "ended")
    record.keep(*place, "report.json", b"{}")
    assert record.output_file(*place) == tmp_path / "runs" / RUN / "r1_worker_1/output.log"
    found = kept(tmp_path)
    assert json.loads(found.pop(f"{RUN}/run.json")) == {
        "task_id": "T-001",
        "started_at": b.AT,
        "level": "full",
    }
    transcript = found.pop(f"{RUN}/r1_worker_1/transcript.txt").splitlines()
    assert [line.split(" ", 1)[1] for line in transcript] == ["Editing: a.py", "ended after 3 s"]
    assert found == {
        f"{RUN}/verify_aaaaaaaaaa.txt": "$ make test TOKEN=***\n1 passed\n",
        f"{RUN}/r1_worker_1/prompt.md": "Use ***.",
        f"{RUN}/r1_worker_1/report.json": "{}",
    }


def test_the_settings_are_kept_with_their_sources_and_without_secrets(tmp_path: Path) -> None:
    given = ("inputs", {"openai_api_key": KEY, "worker_command": f"agent --key {KEY}"})
    settings = resolve([("defaults", {"evidence": "strict"}), given])
    forms = Forms(unnamed((KEY,)))
    record = RunRecord(tmp_path / "runs", "reports", forms, FakeClock(), settings.effective())
    record.keep(STATE, Role.WORKER, 1, 1, "report.json", b"{}")
    found = json.loads(kept(tmp_path)[f"{RUN}/settings.json"])
    assert found["openai_api_key"] == {"value": "**********", "source": "inputs"}
    assert found["worker_command"] == {"value": ["agent", "--key", "***"], "source": "inputs"}
    assert found["evidence"] == {"value": "strict", "source": "defaults"}
    assert found["max_rounds"] == {"value": 3, "source": "default"}


@pytest.mark.parametrize(
    ("level", "files"),
    [
        ("reports", {"run.json", "report.json", "result.json", "failure.txt"}),
        ("off", set()),
    ],
)
def test_less_is_kept_where_everybody_may_read_it(
    tmp_path: Path, level: Level, files: set[str]
) -> None:
    record = record_in(tmp_path, level)
    for name in ("prompt.md", "stderr.txt", "report.json", "result.json", "failure.txt"):
        record.keep(STATE, Role.WORKER, 1, 1, name, b"x")
    record.event("dispatch_start", STATE, {"role": "worker", "attempt": 1})
    record.activity(Role.WORKER, Activity("Editing", "a.py"))
    assert record.output_file(STATE, Role.WORKER, 1, 1) is None
    assert {name.rpartition("/")[2] for name in kept(tmp_path)} == files


def test_the_runs_of_a_task_are_apart_and_the_newest_are_kept(tmp_path: Path) -> None:
    for day in range(1, MAX_RUNS + 6):
        state = STATE.model_copy(update={"started_at": f"2025-01-{day:02}T00:00:00Z"})
        record_in(tmp_path).keep(state, Role.WORKER, 1, 1, "report.json", b"{}")
    runs = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert (len(runs), runs[0]) == (MAX_RUNS, "2025-01-06T00-00-00Z")


def test_a_later_round_is_in_the_folder_of_its_run(tmp_path: Path) -> None:
    state = b.after(STATE, b.work_reported(1, 1), b.rejected(1))
    later = state.model_copy(update={"started_at": "2025-01-02T09:00:00Z"})
    record_in(tmp_path).keep(later, Role.WORKER, 2, 1, "report.json", b"{}")
    assert f"{RUN}/r2_worker_1/report.json" in kept(tmp_path)


def test_a_file_grows_to_its_limit_and_says_so(tmp_path: Path) -> None:
    file = BoundedFile(tmp_path / "log", 10)
    for piece in (b"12345", b"67890abc", b"def"):
        file.append(piece)
    assert (tmp_path / "log").read_bytes() == b"1234567890\n[the rest is not kept]\n"


def test_a_record_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file in its place")
    record = record_in(tmp_path)
    record.keep(STATE, Role.WORKER, 1, 1, "report.json", b"{}")
    assert record.output_file(STATE, Role.WORKER, 1, 1) is None
    BoundedFile(tmp_path / "none" / "log").append(b"x")


def test_only_plain_files_of_the_record_go_into_the_artifact(tmp_path: Path) -> None:
    record = record_in(tmp_path)
    record.keep(STATE, Role.WORKER, 1, 1, "report.json", b"{}")
    planted = tmp_path / "runs" / RUN / "r1_worker_1"
    (planted / "environ.txt").write_text(KEY)
    (planted / "stderr.txt").symlink_to("/etc/hostname")
    (planted / "failure.txt").write_text(f"stop {KEY}")
    (tmp_path / "runs" / RUN / "verify_0123456789.txt").write_text("ok")

    export_record(tmp_path / "runs", tmp_path / "out", Forms(unnamed((KEY,))))

    found = (path for path in (tmp_path / "out" / RUN).rglob("*") if path.is_file())
    assert {path.name: path.read_text() for path in found} == {
        "run.json": (tmp_path / "runs" / RUN / "run.json").read_text(),
        "report.json": "{}",
        "failure.txt": "stop ***",
        "verify_0123456789.txt": "ok",
    }
