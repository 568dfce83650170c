"""What an issue, a card or a pull request says steers nothing that it has no say in."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from tests.e2e.conftest import CARD, REPOSITORY
from tests.e2e.events import labelled, pull_labelled
from tests.e2e.test_issues_in_ci import FORM, opened

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Hub, MakeHub


def test_a_card_cannot_name_a_commit_of_a_fork_as_its_base(hub: Hub, tmp_path: Path) -> None:
    proof = tmp_path / "stolen"
    program = f"{sys.executable} -c \"open('{proof}', 'w').write('ran')\""
    config = {"worker_command": program, "worker_backend": "command"}
    base = hub.bare.head("main")
    hub.bare.commit_files("evil", {".loop/config.yaml": json.dumps(config)}, "Evil", parent=base)
    sha = hub.bare.head("evil")
    hub.bare.git("update-ref", "refs/pull/9/head", sha)
    hub.bare.delete_branch("evil")
    issue = opened(hub, f"```json\n{json.dumps({**CARD, 'base_branch': sha})}\n```\n")

    result = hub.job(event=labelled(issue), worker_backend="", base_branches="*")

    assert (result.code, proof.exists(), hub.git.pushes) == (6, False, []), result.log
    assert "cannot be fetched" in issue.comments[0].body


@pytest.mark.parametrize("name", ["-x", "a..b", "refs/heads/x y", "main:loop/x"])
def test_a_base_that_is_no_branch_is_refused(hub: Hub, name: str) -> None:
    issue = opened(hub, f"```json\n{json.dumps({**CARD, 'base_branch': name})}\n```\n")
    result = hub.job(event=labelled(issue))
    assert (result.code, hub.git.pushes) == (3, []), result.log
    assert "is no name of a branch" in result.log


def test_agents_never_commit_to_the_default_branch(hub: Hub) -> None:
    hub.bare.git("update-ref", "refs/heads/release", hub.bare.head("main"))
    hub.bare.commit_files("main", {"later.md": "x"}, "Move on")
    main = hub.bare.head("main")
    pull = hub.api.open_pull(REPOSITORY, "Release", "main", "release", "mona", FORM)
    hub.api.add_label(REPOSITORY, pull.issue.number, "loop")

    result = hub.job(event=pull_labelled(pull, main))

    assert (result.code, hub.bare.head("main"), hub.git.pushes) == (6, main, []), result.log


def test_an_allowed_app_without_the_suffix_may_start_and_go_on(hub: Hub) -> None:
    event = labelled(opened(hub), sender="Copilot")
    event.payload["sender"]["type"] = "Bot"
    first = hub.job(event=event, allowed_bots="Copilot")
    assert first.outputs["continue"] == "true", first.log
    assert hub.continued(allowed_bots="Copilot").outputs["outcome"] == "approved"


def test_the_configuration_at_the_base_counts_where_the_workflow_says_nothing(
    make_hub: MakeHub,
) -> None:
    hub = make_hub(files={".loop/config.yaml": "max_rounds: 5\n"})
    hub.job()
    assert hub.state()["limits"]["max_rounds"] == 5


def test_a_configuration_that_comes_too_late_is_refused(make_hub: MakeHub) -> None:
    hub = make_hub(files={".loop/config.yaml": "base_branch: develop\n"})
    result = hub.job()
    assert (result.code, hub.git.pushes) == (3, [])
    assert "Pass it as the input `base-branch`" in result.log


def test_a_label_retries_a_loop_whose_issue_was_edited_into_prose(hub: Hub) -> None:
    issue = opened(hub)
    hub.job(event=labelled(issue), worker_backend="command", worker_command="false")
    issue.body = "Thanks, all clear now."

    result = hub.job(event=labelled(issue))

    assert result.outputs["continue"] == "true", result.log
    assert "continues with its first card" in result.log


def test_a_dry_run_answers_nobody(hub: Hub) -> None:
    issue = opened(hub, "prose")
    hub.job(event=labelled(issue), dry_run="true")
    assert issue.comments == []
