"""action.yml, Settings and the reference name the same inputs and outputs; examples are valid."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.pages import blocks, table, text

from loop_kit.adapters.runner.outputs import outputs
from loop_kit.core.loop.state import LoopState
from loop_kit.settings import ACTION_DEFAULTS, INPUTS, names, resolve

ROOT = Path(__file__).resolve().parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
EXAMPLES = sorted((ROOT / "examples").glob("*.yml"))


def test_every_input_is_in_action_yml_in_settings_and_on_the_page() -> None:
    declared = set(ACTION["inputs"])

    assert declared == {name.replace("_", "-") for name in INPUTS}
    assert set(INPUTS) <= set(names())
    assert declared == set(table("docs/reference.md", "Inputs"))


def test_every_input_reaches_the_round_through_the_environment_and_no_expression_the_shell() -> (
    None
):
    step, *others = ACTION["runs"]["steps"]

    assert not any("run" in other for other in others)
    for name in ACTION["inputs"]:
        variable = f"INPUT_{name.upper().replace('-', '_')}"
        assert step["env"][variable] == f"${{{{ inputs.{name} }}}}"
    assert "${{" not in step["run"]


def test_every_output_is_in_action_yml_in_the_code_and_on_the_page() -> None:
    written = set(outputs(LoopState(), "", {})) | {"report-path", "state-path"}

    assert set(ACTION["outputs"]) == written
    assert set(table("docs/reference.md", "Outputs")) == written
    for name, output in ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.round.outputs.{name} }}}}"


def test_no_default_of_action_yml_hides_the_configuration_file() -> None:
    defaults = {name: spec["default"] for name, spec in ACTION["inputs"].items()}
    assert defaults.pop("github-token") == "${{ github.token }}"
    assert set(defaults.values()) == {""}


def test_defaults_on_the_page_and_in_action_yml_are_those_of_the_settings() -> None:
    settings = resolve([("defaults", ACTION_DEFAULTS)])

    for name, row in table("docs/reference.md", "Inputs").items():
        field = "continue_" if name == "continue" else name.replace("-", "_")
        held = getattr(settings, field)
        if name == "github-token":
            continue
        shown = str(held).lower() if isinstance(held, bool) else str(held).removesuffix(".0")
        expected = "" if held in (None, (), "") or "*" in shown else shown
        assert row[-1] == expected, name
        described = ACTION["inputs"][name]["description"]
        ending = f"; default: {expected}." if expected else "."
        assert described == row[0].removesuffix(".") + ending, name


def test_the_page_says_of_every_output_what_action_yml_says() -> None:
    described = {name: [output["description"]] for name, output in ACTION["outputs"].items()}

    assert table("docs/reference.md", "Outputs") == described


def test_the_workflow_in_one_job_is_the_example_and_every_example_is_named() -> None:
    examples = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in EXAMPLES}
    (shown,) = (yaml.safe_load(block) for block in blocks("docs/start.md", "yaml"))

    assert shown == examples["loop.yml"]
    assert [
        name for name in examples if f"](../examples/{name})" not in text("docs/start.md")
    ] == []


def test_the_card_on_its_page_is_a_valid_card() -> None:
    from loop_kit.core.card.task import parse_card

    (block,) = blocks("docs/card.md", "json")
    assert parse_card(block.encode(), "card.md").verify == ("make test",)


@pytest.mark.parametrize("page", ["docs/start.md", "docs/card.md"])
def test_the_issue_on_a_page_is_a_valid_card(page: str) -> None:
    from loop_kit.core.card.issue import card_in_issue

    (block,) = blocks(page, "markdown")
    card = card_in_issue(block, 7)
    assert (card.task_id, card.verify) == ("issue-7", ("make test",))


def test_the_reports_on_the_page_are_valid_reports() -> None:
    from loop_kit.core.agent.reports import parse_review_report, parse_work_report

    work, review = (json.loads(block) for block in blocks("docs/agents.md", "json"))
    assert parse_work_report(work, "T-001", 1).notes == "what I did"
    assert parse_review_report(review, "T-001", 1).blocking_issues[0].line == 3


def test_the_script_on_the_page_is_a_valid_script() -> None:
    from loop_kit.adapters.agents.script import parse_script

    (script,) = blocks("docs/agents.md", "yaml")
    assert len(parse_script(script.encode(), "agents.md").scenes) == 2


def test_the_lock_files_name_no_registry_and_hash_everything() -> None:
    names = ("requirements.lock", "requirements-uv.lock", ".ci/requirements-dev.lock")
    for path in (ROOT / name for name in names):
        text = path.read_text("utf-8")
        assert "://" not in text
        assert all("--hash=sha256:" in block for block in re.split(r"\n(?=[a-z])", text.strip()))
