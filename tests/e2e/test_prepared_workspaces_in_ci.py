"""`workspace-setup` in a job: prepared before anybody is paid, and told where it was asked for."""

from __future__ import annotations

import pytest
from tests.e2e import three_jobs
from tests.e2e.conftest import Hub
from tests.e2e.events import labelled
from tests.e2e.test_comments_in_ci import say
from tests.e2e.test_issues_in_ci import opened

BROKEN = "echo no lock file; exit 3"
SECRET = "npm-s3cret-token"


@pytest.mark.parametrize("jobs", ["one", "three"])
def test_setup_that_fails_ends_unpaid_with_its_output_where_it_was_asked_for(
    hub: Hub, jobs: str
) -> None:
    issue = opened(hub)
    event = labelled(issue)

    if jobs == "one":
        job = hub.job(event=event, workspace_setup=BROKEN)
    else:
        job = three_jobs.run(hub, event=event, workspace_setup=BROKEN).published

    assert job.outputs["outcome"] == "setup_failed", job.log
    assert job.code == 3
    assert hub.state("issue-1")["usage"].get("agent_seconds", 0) == 0
    assert "loop:failed" in issue.labels
    body = issue.comments[0].body
    assert f"`{BROKEN}` failed (exit code 3)" in body
    assert "What the setup command printed (exit code 3)" in body
    assert "\n> no lock file\n" in body


def test_secrets_of_setup_are_in_no_post_no_log_and_no_state(hub: Hub) -> None:
    issue = opened(hub)

    job = hub.job(
        event=labelled(issue),
        workspace_setup='echo "token $NPM_TOKEN"; exit 3',
        setup_env="NPM_TOKEN",
        env={"NPM_TOKEN": SECRET},
    )

    assert "token ***" in job.log, job.log
    assert "token ***" in issue.comments[0].body
    texts = [job.log, issue.comments[0].body, job.summary]
    texts.append((hub.bare.file("loop/issue-1/state", "state.json") or b"").decode())
    assert [text for text in texts if SECRET in text] == []


def test_verify_and_agents_work_on_what_setup_and_include_have_made(hub: Hub) -> None:
    job = hub.job(
        workspace_setup="mkdir installed && touch installed/package",
        verify="test -f installed/package",
    )

    assert job.outputs["continue"] == "true", job.log
    assert hub.state()["history"][0]["verified"] is True
    changed = hub.bare.git("diff", "--name-only", "main", "loop/T-001/work").split()
    assert changed == ["calc.py"]


def test_the_configuration_counts_as_it_is_at_the_base_commit_and_the_input_more(hub: Hub) -> None:
    hub.bare.commit_files("main", {".loop/config.yaml": "workspace_setup: exit 3\n"}, "Set up")
    issue = opened(hub)
    stopped = hub.job(event=labelled(issue))
    assert stopped.outputs["outcome"] == "setup_failed", stopped.log
    hub.bare.commit_files("main", {".loop/config.yaml": "workspace_setup: true\n"}, "Correct it")

    assert say(hub, issue, "/loop retry").outputs["outcome"] == "setup_failed"
    again = say(hub, issue, "/loop retry", workspace_setup="true")

    assert again.outputs["continue"] == "true", again.log
