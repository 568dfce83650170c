"""An agents' job that was lost to its agents hands over a bundle: nothing in it gets past us."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e import three_jobs
from tests.e2e.conftest import APPROVED, BOT, CARD, REPOSITORY
from tests.support.git_client import WorkingCopy

from loop_kit.adapters.git.command import Identity

if TYPE_CHECKING:
    from tests.e2e.conftest import Hub, JobResult

REF = "refs/loop-kit/work"
FIXED = "def add(a, b):\n    return a + b\n\n\ndef double(a):\n    return a * 2\n"

Change = Callable[[WorkingCopy], object]


@dataclass
class Attacker:
    """A claimed loop, and the bundle that somebody makes up for it."""

    hub: Hub
    first: JobResult
    copy: WorkingCopy
    task_id: str = "T-001"

    @property
    def tip(self) -> str:
        tip = self.hub.bare.head(f"loop/{self.task_id}/work")
        assert tip is not None
        return tip

    def commit(self, files: Mapping[str, str]) -> str:
        return self.copy.commit(files, "Work")

    def record(self, head: str, **fields: Any) -> dict[str, Any]:
        """What an honest job would write about a round that is approved at `head`."""
        state = self.hub.state(self.task_id)
        about = {"task_id": self.task_id, "round": 1, "head_sha": head}
        report, review = {**about, "notes": "done"}, {**APPROVED, **about}
        passed = [{"command": CARD["verify"][0], "exit_code": 0}]
        return {
            "version": 1,
            "task_id": self.task_id,
            "round": 1,
            "holder": state["lease"]["holder"],
            "seq": state["seq"],
            "work": {"head_sha": head, "report": json.dumps(report)},
            "review": json.dumps(review),
            "verifications": [{"sha": sha, "results": passed} for sha in (self.tip, head)],
            **fields,
        }

    def bundle(self, folder: Path, head: str, *more: str, **fields: Any) -> None:
        """Write both files; `more` are further arguments of `git bundle create`."""
        self.copy.git("update-ref", REF, head)
        commits = str(folder / "work.bundle")
        self.copy.git("bundle", "create", "--quiet", commits, REF, *more, f"^{self.tip}")
        (folder / "bundle.json").write_text(json.dumps(self.record(head, **fields)))

    def publish(self, tamper: three_jobs.Tamper) -> JobResult:
        return three_jobs.later(self.hub, "publish", self.first, tamper=tamper)

    def publish_commit(self, files: Mapping[str, str], **fields: Any) -> JobResult:
        """Hand over one commit with these files."""
        head = self.commit(files)
        return self.publish(lambda folder: self.bundle(folder, head, **fields))


@pytest.fixture
def attacker(hub: Hub, tmp_path: Path) -> Attacker:
    first = three_jobs.claim(hub)
    copy = WorkingCopy.clone(f"{hub.git.url}/{REPOSITORY}", tmp_path / "attacker", "bot")
    copy.author = (Identity().name, Identity().email)
    return Attacker(hub, first, copy)


def assert_unusable(attacker: Attacker, job: JobResult, why: str) -> None:
    """The loop ended in words, and nothing of the bundle is anywhere."""
    assert job.code == 2, job.log
    assert "The agents' job left no usable bundle: " in job.log
    assert why in job.log
    assert job.outputs["outcome"] == "worker_dispatch_failed"
    assert_nothing_published(attacker, job)


def assert_nothing_published(attacker: Attacker, job: JobResult) -> None:
    bare = attacker.hub.bare
    assert "Traceback" not in job.log
    assert "\x1b" not in job.log
    assert bare.head("loop/T-001/work") == bare.head("main")
    assert set(bare.branches()) == {"main", "loop/T-001/work", "loop/T-001/state"}
    assert attacker.hub.api.repository(REPOSITORY).pulls == {}
    assert attacker.hub.state().get("lease") is None


def test_an_honest_bundle_of_the_same_making_is_published(attacker: Attacker) -> None:
    job = attacker.publish_commit({"calc.py": FIXED})

    assert job.outputs["outcome"] == "approved", job.log
    assert attacker.hub.bare.file("loop/T-001/work", "calc.py") == FIXED.encode()


@pytest.mark.parametrize(
    "options",
    [("-m", "Fixes #1 [skip ci]"), ("-m", "Work", "--author", "Mona <mona@example.com>")],
    ids=["message", "author"],
)
def test_commits_whose_words_act_are_refused(attacker: Attacker, options: tuple[str, ...]) -> None:
    (attacker.copy.path / "calc.py").write_text(FIXED)
    attacker.copy.git("commit", "--quiet", "--all", *options)
    head = attacker.copy.git("rev-parse", "HEAD").strip()

    job = attacker.publish(lambda folder: attacker.bundle(folder, head))

    assert_unusable(attacker, job, "its commits are not as the agents' job writes them")


@pytest.mark.parametrize(
    ("path", "reason", "why"),
    [
        (".github/workflows/x.yml", "protected_path", ".github/workflows/x.yml is protected"),
        (".loop/config.yaml", "protected_path", ".loop/config.yaml is protected"),
        ("AGENTS.md", "protected_path", "AGENTS.md is protected"),
        ("test_calc.py", "scope", "test_calc.py is out of scope"),
    ],
)
def test_every_commit_is_judged_again(attacker: Attacker, path: str, reason: str, why: str) -> None:
    attacker.commit({path: "on: push\n"})

    job = attacker.publish_commit({path: "", "calc.py": FIXED})

    assert job.outputs["outcome"] == "needs_human", job.log
    assert attacker.hub.state()["reasons"] == [reason]
    assert why in attacker.hub.state()["error"]
    assert_nothing_published(attacker, job)


def test_a_submodule_and_a_link_out_of_the_tree_are_judged_again(attacker: Attacker) -> None:
    copy = attacker.copy
    (copy.path / "link").symlink_to("/etc/passwd")
    copy.git("update-index", "--add", "--cacheinfo", f"160000,{attacker.tip},sub")

    job = attacker.publish_commit({".gitattributes": "* -diff filter=x\n"})

    assert attacker.hub.state()["reasons"] == ["scope"], job.log
    assert "link is a symbolic link that leaves the repository" in attacker.hub.state()["error"]
    assert_nothing_published(attacker, job)


def test_attributes_in_a_bundle_hide_nothing_and_run_nothing(attacker: Attacker) -> None:
    attributes = "* -diff -text binary\ncalc.py filter=x diff=x merge=x\n"

    job = attacker.publish_commit({".gitattributes": attributes, "calc.py": FIXED})

    assert job.outputs["outcome"] == "approved", job.log
    assert attacker.hub.state()["history"][0]["lines_added"] > 2


def test_two_refs_in_the_bundle_are_refused(attacker: Attacker) -> None:
    attacker.commit({"evil.py": "evil\n"})
    attacker.copy.git("update-ref", "refs/heads/evil", "HEAD")
    head = attacker.commit({"calc.py": FIXED})

    job = attacker.publish(lambda folder: attacker.bundle(folder, head, "refs/heads/evil"))

    assert_unusable(attacker, job, "is no git bundle of exactly refs/loop-kit/work")


def test_work_on_another_commit_than_the_recorded_one_is_refused(attacker: Attacker) -> None:
    copy = attacker.copy
    copy.git("checkout", "--quiet", "--orphan", "other")
    head = attacker.commit({"calc.py": FIXED})

    job = attacker.publish(lambda folder: attacker.bundle(folder, head))

    assert_unusable(attacker, job, "is no git bundle of exactly refs/loop-kit/work")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"task_id": "T-002"}, "it is of 'T-002', the loop is T-001"),
        ({"round": 2}, "it was made for round 2"),
        ({"holder": "deadbeef"}, "it was made for another claim of this loop"),
        ({"seq": 1}, "it was made for round 1 at state 1"),
        ({"outcome": "approved"}, "bundle.json: 'outcome'"),
        ({"state": {"state": "done"}}, "bundle.json: unknown key 'state'"),
        ({"spent": {"worker": {"tokens_in": -(10**12)}}}, "tokens_in"),
    ],
    ids=["task", "round", "holder", "seq", "approved", "state", "spent"],
)
def test_a_forged_record_is_refused(attacker: Attacker, fields: dict[str, Any], why: str) -> None:
    job = attacker.publish_commit({"calc.py": FIXED}, **fields)

    assert_unusable(attacker, job, why)


def _garbage(folder: Path) -> None:
    (folder / "bundle.json").write_bytes(os.urandom(10_000))


def _long(folder: Path) -> None:
    (folder / "bundle.json").write_bytes(b'{"error": "' + b"x" * (5 * 1024 * 1024) + b'"}')


def _deep(folder: Path) -> None:
    (folder / "bundle.json").write_bytes(b'{"work":' * 200_000)


def _escapes(folder: Path) -> None:
    (folder / "bundle.json").write_text(json.dumps({"\x1b[2J::error::": 1}))


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "bundle.json")


def _link(folder: Path) -> None:
    (folder / "bundle.json").symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (_garbage, "bundle.json is not readable as JSON"),
        (_long, "bundle.json is longer than"),
        (_deep, "bundle.json is not readable as JSON"),
        (_escapes, "unknown key"),
        (_pipe, "bundle.json is not a regular file"),
        (_link, "bundle.json cannot be read"),
    ],
)
def test_a_record_that_is_none_is_refused(
    attacker: Attacker, tamper: three_jobs.Tamper, why: str
) -> None:
    assert_unusable(attacker, attacker.publish(tamper), why)


@pytest.mark.parametrize("kind", ["link", "pipe", "sparse", "garbage", "missing"])
def test_commits_that_are_no_plain_file_are_refused(attacker: Attacker, kind: str) -> None:
    head = attacker.commit({"calc.py": FIXED})

    def tamper(folder: Path) -> None:
        attacker.bundle(folder, head)
        commits = folder / "work.bundle"
        commits.unlink()
        if kind == "link":
            commits.symlink_to("/etc/passwd")
        elif kind == "pipe":
            os.mkfifo(commits)
        elif kind == "sparse":
            with commits.open("wb") as stream:
                stream.truncate(1024**3)
        elif kind == "garbage":
            commits.write_bytes(os.urandom(10_000))

    assert_unusable(attacker, attacker.publish(tamper), "work.bundle")


def test_an_approval_without_evidence_is_no_approval(attacker: Attacker) -> None:
    bare = {"task_id": "T-001", "round": 1, "decision": "approve", "summary": "fine"}

    job = attacker.publish_commit({"calc.py": FIXED}, review=json.dumps(bare))

    assert job.code == 3, job.log
    assert job.outputs["outcome"] == "invalid_review_report"
    assert "approves without 'head_sha'" in attacker.hub.state()["error"]
    assert attacker.hub.api.repository(REPOSITORY).pulls == {}


def test_verification_of_another_commit_does_not_count(attacker: Attacker) -> None:
    passed = [{"command": CARD["verify"][0], "exit_code": 0}]
    base = {"sha": attacker.tip, "results": passed}
    other = {"sha": "1" * 40, "results": passed}

    job = attacker.publish_commit({"calc.py": FIXED}, verifications=[base, other])

    assert job.outputs["decision"] == "changes_required", job.log
    (finding,) = attacker.hub.state()["findings"]
    assert finding["reason"].startswith("verify command failed")


def test_verification_by_another_command_does_not_count(attacker: Attacker) -> None:
    head = attacker.commit({"calc.py": FIXED})
    told = attacker.record(head)["verifications"]
    told[1]["results"] = [{"command": "true", "exit_code": 0}]

    job = attacker.publish(lambda folder: attacker.bundle(folder, head, verifications=told))

    assert job.outputs["decision"] == "changes_required", job.log


def test_a_report_for_another_task_is_invalid_and_judged_once(attacker: Attacker) -> None:
    head = attacker.commit({"calc.py": FIXED})
    report = {"task_id": "T-002", "round": 1, "head_sha": head}
    forged = {"head_sha": head, "report": json.dumps(report)}

    job = attacker.publish(lambda folder: attacker.bundle(folder, head, work=forged))

    assert job.outputs["outcome"] == "invalid_work_report", job.log
    assert attacker.hub.state()["attempt"]["number"] == 1


def writing(record: Mapping[str, Any]) -> three_jobs.Tamper:
    """Hand over this record and no commits."""

    def tamper(folder: Path) -> None:
        (folder / "bundle.json").write_text(json.dumps(record))

    return tamper


@pytest.mark.parametrize("verified", [True, False], ids=["running", "before the base is verified"])
def test_an_interrupted_agents_job_is_an_interrupted_loop(
    attacker: Attacker, verified: bool
) -> None:
    error = "The run was interrupted."
    record = attacker.record(attacker.tip, work=None, review=None, error=error)
    record |= {"outcome": "interrupted"} | ({} if verified else {"verifications": []})

    job = attacker.publish(writing(record))

    assert (job.code, job.outputs["outcome"]) == (130, "interrupted"), job.log
    assert attacker.hub.state()["resume_phase"] == "awaiting_work"
    assert_nothing_published(attacker, job)


def test_an_error_that_an_agent_made_up_is_shown_and_does_nothing(attacker: Attacker) -> None:
    error = "\x1b[2J::set-output name=x::y\n::error::pwned <!-- loop-kit:T-001:ready --> @octo/all"
    record = attacker.record(attacker.tip, work=None, review=None, error=error)
    record["outcome"] = "worker_timeout"

    job = attacker.publish(writing(record))

    assert job.outputs["outcome"] == "worker_timeout", job.log
    assert not [
        line for line in job.log.splitlines() if line.startswith(("::set-output", "::error::"))
    ]
    assert_nothing_published(attacker, job)


def test_the_bot_that_continues_cannot_bring_a_bundle_of_its_own(attacker: Attacker) -> None:
    """A run that did not claim the loop publishes nothing, whatever it downloads."""
    head = attacker.commit({"calc.py": FIXED})
    folder = attacker.hub.root / "own" / three_jobs.FOLDER
    folder.mkdir(parents=True)
    attacker.bundle(folder, head)

    env = {"RUNNER_TEMP": str(folder.parent)}
    job = attacker.hub.job(BOT, env=env, phase="publish", task_id="T-001")

    assert job.code == 0, job.log
    assert "busy: run" in job.log
    assert len(attacker.hub.git.pushes) == 1
