"""README.md: short, its workflow is one that works, and each claim names the test that tries it."""

from __future__ import annotations

import ast
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import yaml
from tests import pages
from tests.pages import ROOT

from loop_kit.settings import Settings

REUSABLE = ROOT / ".github" / "workflows" / "loop-reusable.yml"
PROOF = re.compile(r'\]\((tests/[\w/]+\.py) "(test_\w+)"\)')


def shown() -> tuple[str, dict[Any, Any]]:
    """The first workflow, as text and as what YAML makes of it; `on:` is read as a truth."""
    (block,) = pages.blocks("README.md", "yaml")
    return block, yaml.safe_load(block)


def test_the_readme_has_at_most_1200_words() -> None:
    assert len(pages.text("README.md").split()) <= 1_200


def test_both_commands_that_do_everything_come_before_the_workflow() -> None:
    text = pages.text("README.md")

    assert text.index("make demo") < text.index("make test") < text.index("```yaml")


def test_the_first_workflow_has_at_most_15_lines_and_fits_githubs_schema(tmp_path: Path) -> None:
    block, _ = shown()
    path = tmp_path / "loop.yml"
    path.write_text(block, "utf-8")
    schema = "--builtin-schema", "vendor.github-workflows"
    checker = Path(sysconfig.get_path("scripts")) / "check-jsonschema"
    done = subprocess.run(
        [str(checker), *schema, str(path)], capture_output=True, text=True, timeout=60, check=False
    )

    assert len(block.splitlines()) <= 15
    assert done.returncode == 0, done.stdout


def test_the_first_workflow_is_the_shim_with_inputs_and_secrets_that_exist() -> None:
    _, workflow = shown()
    shim = yaml.safe_load((ROOT / "examples" / "loop-shim.yml").read_text("utf-8"))
    called = yaml.safe_load(REUSABLE.read_text("utf-8"))[True]["workflow_call"]
    job, of_the_shim = workflow["jobs"]["loop"], shim["jobs"]["loop"]

    assert workflow[True] == shim[True]
    assert workflow["permissions"] == {}
    for key in ("permissions", "uses"):
        assert job[key] == of_the_shim[key]
    assert set(job["with"]) <= set(called["inputs"])
    assert set(job["secrets"]) <= set(called["secrets"])
    assert {"node", "python", "container", "runs-on"} <= set(called["inputs"])


def test_the_limits_that_it_names_are_those_of_the_workflow() -> None:
    called = yaml.safe_load(REUSABLE.read_text("utf-8"))[True]["workflow_call"]["inputs"]
    limits = pages.section("README.md", "Costs and limits")

    assert Settings().max_rounds == 3
    assert "three rounds" in limits
    assert f"{called['max-minutes']['default']} agent minutes" in limits
    assert f"{called['max-cost-usd']['default']} USD" in limits


def test_there_are_five_claims_and_each_names_a_test_that_is_there() -> None:
    claims = re.findall(
        r"^- \*\*.*$", pages.section("README.md", "What nobody else does"), re.MULTILINE
    )

    assert len(claims) == 5
    assert [claim for claim in claims if not PROOF.search(claim)] == []
    for path, name in PROOF.findall(pages.text("README.md")):
        functions = ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
        assert name in {each.name for each in functions if isinstance(each, ast.FunctionDef)}


def test_every_tool_that_it_is_compared_with_is_said_to_be_better_at_something() -> None:
    table = pages.section("README.md", "Is another tool better for you?")
    rows = [row.split(" | ") for row in table.splitlines() if row.startswith("| [")]

    assert [row[0].split("](")[0].strip("| [") for row in rows] == [
        *("claude-code-action", "codex-action", "gh-aw", "agent-task-runner")
    ]
    assert all(len(better) > 20 and len(leaves) > 20 for _, better, leaves in rows)
