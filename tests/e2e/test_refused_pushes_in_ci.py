"""What the git server refuses for good: recorded, told where it was asked for, never paid twice."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.conftest import BOT, REPOSITORY, SENT_BACK, Hub, JobResult, MakeHub, _work
from tests.e2e.events import Event, commented, labelled, pull_labelled
from tests.e2e.test_issues_in_ci import FORM, opened
from tests.e2e.test_sweep_in_ci import grow_old, sweep
from tests.support.git_client import WorkingCopy
from tests.support.git_faults import GitFault
from tests.support.git_policy import (
    MESSAGE_RULE,
    SECRET_RULE,
    SIGNATURE_RULE,
    SIZE_RULE,
    set_content_rules,
)

from loop_kit.core.loop.refused_push import BUNDLE, TAKE_UP

if TYPE_CHECKING:
    from tests.support.github_state import Issue

KEY = "AKIA0EXAMPLE0KEY0000"
SECRETS = SECRET_RULE.replace("@PATTERN@", KEY)
SIZE = SIZE_RULE.replace("@LIMIT@", "300000")
MESSAGE = MESSAGE_RULE.replace("@PATTERN@", "^Add")
SIGNATURES = SIGNATURE_RULE.replace("@BRANCH@", "/work")
TASK = "issue-1"


def worker(*extra: dict[str, Any]) -> dict[str, Any]:
    """A worker that always does the same, and a reviewer that sends it back."""
    steps = [*extra, *_work("a - b", "a + b", "Add")]
    return {
        "scenes": [
            {"role": "worker", "steps": steps},
            {"role": "reviewer", "steps": [{"report": SENT_BACK}]},
        ]
    }


def again(*steps: dict[str, Any]) -> dict[str, Any]:
    """What the worker does with the work that it got back."""
    done = [{"commit": "Add again"}, {"report": {"notes": "again", "files_changed": ["calc.py"]}}]
    return {"role": "worker", "attempt": 2, "steps": [*steps, *done]}


def written(hub: Hub) -> str:
    """Everything that is on the branches of the loops."""
    return hub.bare.git("log", "-p", "--format=%B", "--branches=loop/*", "--not", "main")


def said(hub: Hub, issue: Issue, words: str) -> Event:
    return commented(issue, hub.api.comment(REPOSITORY, issue.number, "mona", words))


def retry(hub: Hub, issue: Issue) -> JobResult:
    return hub.job(event=said(hub, issue, "/loop retry"))


def test_a_rule_on_the_work_branch_is_recorded_and_the_lifted_rule_costs_no_second_worker(
    hub: Hub,
) -> None:
    issue = opened(hub)
    hub.git.after_push.append(lambda _: set_content_rules(hub.bare, SIGNATURES))

    refused = hub.job(event=labelled(issue))

    state = hub.state(TASK)
    assert (state["outcome"], state["reasons"]) == ("needs_human", ["push_refused"]), refused.log
    assert "lease" not in state
    assert "verified signatures" in state["refusal"]["words"]
    assert "requires verified commits on loop/" in state["refusal"]["sentence"]
    assert "bypass it" in state["refusal"]["remedy"]
    assert f"loop/{TASK}/work" in state["error"]
    assert "loop:needs-human" in issue.labels
    assert "### 🟡 Needs you: the push was refused" in issue.comments[0].body
    assert hub.bare.head(f"loop/{TASK}/work") == state["start_sha"]
    assert Path(refused.outputs["bundle-path"]).is_file()
    hub.git.after_push.clear()
    set_content_rules(hub.bare)

    retried = retry(hub, issue)

    after = hub.state(TASK)
    assert after["history"][0]["decision"] == "changes_required", retried.log
    assert hub.bare.head(f"loop/{TASK}/work") == after["history"][0]["head_sha"]
    assert "worker (scripted)" not in retried.log
    assert "held" not in after
    assert hub.bare.file(f"loop/{TASK}/state", "unpushed.bundle") is None


def test_a_secret_goes_back_to_the_worker_once_and_is_kept_nowhere(make_hub: MakeHub) -> None:
    key = {"write": {"path": "settings.py", "text": f"\n\nKEY = '{KEY}'\n"}}
    hub = make_hub({"scenes": [again(key), *worker(copy.deepcopy(key))["scenes"]]})
    set_content_rules(hub.bare, SECRETS)
    issue = opened(hub)

    result = hub.job(event=labelled(issue))

    assert "worker (scripted), attempt 2" in result.log, result.log
    state = hub.state(TASK)
    assert (state["outcome"], state["reasons"]) == ("needs_human", ["push_refused"])
    assert state["refusal"]["places"] == [{"path": "settings.py", "line": 3}]
    assert "cannot contain secrets" in state["attempt"]["feedback"]
    assert "held" not in state
    assert "bundle-path" not in result.outputs
    assert "secret" in result.log.split("::error")[-1].split("remote:")[0].lower()
    assert "Exempt" not in result.log
    assert KEY not in written(hub)
    assert "loop:needs-human" in issue.labels


def test_a_worker_that_is_told_of_the_secret_writes_commits_without_it(make_hub: MakeHub) -> None:
    script = worker({"write": {"path": "settings.py", "text": f"KEY = '{KEY}'\n"}})
    clean = again({"write": {"path": "settings.py", "text": "KEY = None\n"}})
    hub = make_hub({"scenes": [clean, *script["scenes"]]})
    set_content_rules(hub.bare, SECRETS)

    result = hub.job()

    assert result.outputs["decision"] == "changes_required", result.log
    assert KEY not in written(hub)


def test_a_file_that_is_too_large_is_kept_and_pushed_after_the_limit_is_lifted(
    make_hub: MakeHub,
) -> None:
    script = worker({"write": {"path": "big.txt", "text": "x" * 400_000}})
    hub = make_hub({"scenes": [again(), *script["scenes"]]})
    set_content_rules(hub.bare, SIZE)
    issue = opened(hub)
    result = hub.job(event=labelled(issue))
    state = hub.state(TASK)
    assert state["reasons"] == ["push_refused"], result.log
    assert state["refusal"]["places"] == [{"path": "big.txt", "line": 0}]
    assert state["held"]["kept"]
    set_content_rules(hub.bare)

    retried = retry(hub, issue)

    assert "worker (scripted)" not in retried.log
    assert hub.state(TASK)["history"][0]["decision"] == "changes_required", retried.log


def test_a_token_that_expires_during_the_round_is_named_and_the_bundle_brings_the_work_back(
    hub: Hub, tmp_path: Path
) -> None:
    issue = opened(hub)
    hub.git.after_push.append(lambda _: hub.git.expire_for_git("bot"))

    refused = hub.job(event=labelled(issue))

    assert "expired" in refused.log, refused.log
    assert refused.code
    assert "expired" in issue.comments[0].body
    steps = "Use a token that lives as long as the job; then push what the artifact holds"
    assert steps in issue.comments[0].body
    assert refused.outputs["outcome"] == "needs_human"
    hub.git.after_push.clear()
    hub.git.add_token("bot", BOT)
    hub.end_run(refused.checkout.parent.name)
    take_up(hub, tmp_path / "clone", refused.outputs["bundle-path"])
    assert hub.state(TASK)["reasons"] == ["push_refused"]

    retried = retry(hub, issue)

    assert "worker (scripted)" not in retried.log, retried.log
    assert hub.state(TASK)["history"][0]["decision"] == "changes_required"


@pytest.mark.parametrize("last", [1, 2, 3])
def test_an_apps_token_that_expires_leaves_the_rest_to_the_jobs_own(hub: Hub, last: int) -> None:
    issue = opened(hub)
    hub.git.add_token("app", "worker[bot]")
    scopes = ("contents", "pull_requests", "issues", "statuses", "actions")
    hub.api.set_permissions("app", dict.fromkeys(scopes, "write"))
    hub.git.after_push.append(lambda _: len(hub.git.pushes) == last and hub.git.revoke("app"))

    job = hub.job(env={"LOOP_JOB_TOKEN": "bot", "INPUT_GITHUB_TOKEN": "app"}, event=labelled(issue))

    assert job.outputs["continue"] == "true", job.log
    assert len(hub.git.pushes) == 4
    assert job.log.count("posted with the job's own token") == 1, job.log
    (pull,) = hub.api.repository(REPOSITORY).pulls.values()
    assert "GitHub starts no checks for it" in pull.issue.comments[0].body


def take_up(hub: Hub, folder: Path, bundle: str) -> None:
    """Do what the message says, as a person does in a clone of their own."""
    clone = WorkingCopy.clone(f"{hub.git.url}/{REPOSITORY}", folder, "mona-token")
    (folder / BUNDLE).write_bytes(Path(bundle).read_bytes())
    clone.git("-c", f"alias.take-up=!{TAKE_UP}", "take-up")


def test_a_ruled_state_branch_is_told_on_the_issue_and_costs_nothing(hub: Hub) -> None:
    issue = opened(hub)
    hub.git.protect(REPOSITORY, "loop/*/state")

    result = hub.job(event=labelled(issue))

    assert result.code
    assert f"loop/{TASK}/state" in issue.comments[0].body
    assert "push_refused" in result.outputs["state"] + result.log
    assert "worker (scripted)" not in result.log


def test_a_rule_on_the_pull_requests_own_branch_names_that_branch(hub: Hub) -> None:
    branch = "release/2.x"
    hub.bare.git("update-ref", f"refs/heads/{branch}", hub.bare.head("main"))
    hub.bare.commit_files(branch, {"notes.md": "x\n"}, "Begin")
    pull = hub.api.open_pull(REPOSITORY, "Sums", branch, "main", "mona", FORM)
    hub.api.add_label(REPOSITORY, pull.issue.number, "loop")
    hub.git.protect(REPOSITORY, "main", "release/*")

    result = hub.job(event=pull_labelled(pull, hub.bare.head(branch)))

    state = hub.state(f"pr-{pull.issue.number}")
    assert state["reasons"] == ["push_refused"], result.log
    assert f"forbids pushing {branch}" in state["error"]
    assert "loop/**" not in state["error"]
    assert any("Needs you: the push was refused" in each.body for each in pull.issue.comments)


def test_a_review_that_quotes_a_secret_is_saved_without_it(make_hub: MakeHub) -> None:
    script = worker()
    issue = {**SENT_BACK["blocking_issues"][0], "reason": f"do not write {KEY} anywhere"}
    script["scenes"][1]["steps"] = [{"report": {**SENT_BACK, "blocking_issues": [issue]}}]
    hub = make_hub(script)
    set_content_rules(hub.bare, SECRETS)

    result = hub.job()

    assert result.outputs["decision"] == "changes_required", result.log
    assert "finds a secret" in hub.state()["findings"][0]["reason"]
    assert KEY not in written(hub)


def lose_the_network(hub: Hub) -> None:
    """Let no more requests through to the git server after the next push."""

    def lose(_: object) -> None:
        for endpoint in ("git-receive-pack", "git-upload-pack"):
            hub.git.fail_next(endpoint, GitFault("status", 503), times=1000)

    hub.git.after_push.append(lose)


def find_the_network(hub: Hub) -> None:
    """Let requests through again."""
    hub.git.after_push.clear()
    for endpoint in ("git-receive-pack", "git-upload-pack"):
        while hub.git.take_fault(endpoint):
            pass


def test_a_network_that_is_lost_during_the_round_costs_no_paid_work(
    hub: Hub, tmp_path: Path
) -> None:
    issue = opened(hub)
    lose_the_network(hub)
    begun = time.monotonic()

    lost = hub.job(event=labelled(issue))

    assert time.monotonic() - begun < 45
    assert lost.outputs["outcome"] == "needs_human", lost.log
    steps = "When the git server answers again, push what the artifact holds with the command"
    assert steps in issue.comments[0].body
    find_the_network(hub)
    hub.end_run(lost.checkout.parent.name)
    take_up(hub, tmp_path / "clone", lost.outputs["bundle-path"])
    retried = retry(hub, issue)
    assert "worker (scripted)" not in retried.log, retried.log
    assert hub.state(TASK)["history"][0]["decision"] == "changes_required"


def lose_state(hub: Hub, event: Event) -> JobResult:
    """A run that can push nothing after its first push, and whose work is in its artifact."""
    lose_the_network(hub)
    lost = hub.job(event=event)
    assert "bundle-path" in lost.outputs, lost.log
    find_the_network(hub)
    run = int(lost.checkout.parent.name)
    hub.end_run(str(run))
    hub.api.add_artifact(REPOSITORY, run, f"loop-kit-work-{TASK}")
    return lost


def test_runs_that_could_save_nothing_are_not_counted_as_lost_and_their_work_is_not_paid_twice(
    hub: Hub,
) -> None:
    issue = opened(hub)
    lost = lose_state(hub, labelled(issue))

    again = retry(hub, issue)

    assert again.code == 6, again.log
    assert "worker (scripted)" not in again.log
    assert f"Run {lost.checkout.parent.name} could not push what it did" in issue.comments[0].body
    for _ in range(2):
        hub.job(event=said(hub, issue, "/loop stop"))
        lost = lose_state(hub, said(hub, issue, "/loop retry"))
        assert hub.state(TASK)["lease"]["run_id"] == lost.checkout.parent.name
    hub.job(event=said(hub, issue, "/loop stop"))
    last = retry(hub, issue)
    assert last.outputs["decision"] == "changes_required", last.log


def test_the_sweep_leaves_a_loop_whose_work_is_in_an_artifact_and_posts_how_it_is_pushed(
    hub: Hub,
) -> None:
    issue = opened(hub)
    lost = lose_state(hub, labelled(issue))
    issue.comments.clear()
    grow_old(hub, f"loop/{TASK}/state")

    swept = sweep(hub)

    assert swept.code == 0, swept.log
    assert f"Run {lost.checkout.parent.name} could not push what it did" in swept.summary
    assert hub.api.dispatches == []
    (comment,) = issue.comments
    assert TAKE_UP in comment.body
