"""action.yml, Settings and the README name the same inputs and outputs; examples are as shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from loop_kit.actions.outputs import outputs
from loop_kit.core.state import LoopState
from loop_kit.settings import ACTION_DEFAULTS, INPUTS, names, resolve

ROOT = Path(__file__).resolve().parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLES = sorted((ROOT / "examples").glob("*.yml"))


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def _table(heading: str) -> dict[str, list[str]]:
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip("| `"): [cell.strip(" |`") for cell in row[1:]] for row in rows}


def test_every_input_is_in_action_yml_in_settings_and_in_the_readme() -> None:
    declared = set(ACTION["inputs"])

    assert declared == {name.replace("_", "-") for name in INPUTS}
    assert set(INPUTS) <= set(names())
    assert declared == set(_table("Inputs"))


def test_every_input_reaches_the_round_through_the_environment_and_no_expression_the_shell() -> (
    None
):
    (step,) = ACTION["runs"]["steps"]

    for name in ACTION["inputs"]:
        variable = f"INPUT_{name.upper().replace('-', '_')}"
        assert step["env"][variable] == f"${{{{ inputs.{name} }}}}"
    assert "${{" not in step["run"]


def test_every_output_is_in_action_yml_in_the_code_and_in_the_readme() -> None:
    written = set(outputs(LoopState(), "", {})) | {"report-path", "state-path"}

    assert set(ACTION["outputs"]) == written
    assert set(_table("Outputs")) == written
    for name, output in ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.round.outputs.{name} }}}}"


def test_no_default_of_action_yml_hides_the_configuration_file() -> None:
    defaults = {name: spec["default"] for name, spec in ACTION["inputs"].items()}
    assert defaults.pop("github-token") == "${{ github.token }}"
    assert set(defaults.values()) == {""}


def test_defaults_in_the_readme_and_in_action_yml_are_those_of_the_settings() -> None:
    settings = resolve([("defaults", ACTION_DEFAULTS)])

    for name, row in _table("Inputs").items():
        field = "continue_" if name == "continue" else name.replace("-", "_")
        held = getattr(settings, field)
        if name == "github-token":
            continue
        shown = str(held).lower() if isinstance(held, bool) else str(held).removesuffix(".0")
        expected = "" if held in (None, (), "") or "*" in shown else shown
        assert row[-1] == expected, name
        said = ACTION["inputs"][name]["description"]
        assert not expected or said.endswith(f"; default: {expected}."), name


def test_a_workflow_in_the_readme_is_one_of_the_examples_and_every_example_is_named() -> None:
    examples = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in EXAMPLES}
    shown = [yaml.safe_load(block) for block in _blocks("yaml")]

    assert [one for one in shown if "jobs" in one and one not in examples.values()] == []
    assert [name for name in examples if f"](examples/{name})" not in README] == []


def test_the_card_in_the_readme_is_a_valid_card() -> None:
    from loop_kit.core.task import parse_card

    (block,) = (block for block in _blocks("json") if '"goal"' in block)
    assert parse_card(block.encode(), "README.md").verify == ("make test",)


def test_the_issue_in_the_readme_is_a_valid_card() -> None:
    from loop_kit.core.issue_card import card_in_issue

    (block,) = _blocks("markdown")
    card = card_in_issue(block, 7)
    assert (card.task_id, card.verify) == ("issue-7", ("make test",))


def test_the_reports_in_the_readme_are_valid_reports() -> None:
    from loop_kit.core.reports import parse_review_report, parse_work_report

    work, review = (json.loads(block) for block in _blocks("json") if '"round"' in block)
    assert parse_work_report(work, "T-001", 1).notes == "what I did"
    assert parse_review_report(review, "T-001", 1).blocking_issues[0].line == 3


def test_the_script_in_the_readme_is_a_valid_script() -> None:
    from loop_kit.adapters.agents.script import parse_script

    (script,) = (block for block in _blocks("yaml") if block.startswith("scenes:"))
    assert len(parse_script(script.encode(), "README.md").scenes) == 2


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\]\(([^)#h][^)#]*)\)", README))))
def test_every_link_in_the_readme_leads_somewhere(name: str) -> None:
    assert (ROOT / name).exists()


def test_the_lock_files_name_no_registry_and_hash_everything() -> None:
    for path in (ROOT / "requirements.lock", ROOT / ".ci" / "requirements-dev.lock"):
        text = path.read_text("utf-8")
        assert "://" not in text
        assert all("--hash=sha256:" in block for block in re.split(r"\n(?=[a-z])", text.strip()))
