"""Which workflows of a repository check a pull request, and which of them the loop waits for.

GitHub starts a workflow at the end of others by their names, and takes no pattern: so the names
are written down, and one that was added later is missing until somebody adds it. Until then the
sweep is what notices that its checks have ended.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.core.agent.checkup import Check, CheckState
from loop_kit.core.card.documents import DocumentInvalid, read_yaml
from loop_kit.core.text.sanitize import one_line

FOLDER = ".github/workflows"
LOOP = f"{FOLDER}/loop.yml"

_OWN_ACTION = "loop-kit/action"
_MAX_FILE = 1024 * 1024
_MAX_FILES = 100
_PLACE = '    paths: [.loop/task_card.json, ".loop/tasks/**"]\n'


def checking_workflows(root: Path) -> tuple[str, ...]:
    """The names of the workflows that run for a pull request or for a push to any branch."""
    folder = root / FOLDER
    paths = sorted(folder.glob("*.y*ml"))[:_MAX_FILES] if folder.is_dir() else []
    read = ((f"{FOLDER}/{path.name}", _document(path)) for path in paths)
    found = (_name(path, document) for path, document in read if _checks_pulls(document))
    return tuple(dict.fromkeys(found))


def with_checks(workflows: Sequence[str], workflow: str) -> str:
    """The loop's workflow, which the end of these others starts."""
    if not workflows:
        return workflow
    names = ", ".join(json.dumps(name, ensure_ascii=False) for name in workflows)
    lines = (
        "  # An approval waits for these workflows, and their end continues it.\n"
        "  workflow_run: # zizmor: ignore[dangerous-triggers]\n"
        f"    workflows: [{names}]\n"
        "    types: [completed]\n"
    )
    return workflow.replace(_PLACE, _PLACE + lines, 1)


def check_waits(root: Path, workflow: str = LOOP) -> Iterator[Check]:
    """Whether the end of every workflow that checks pull requests starts the loop's own."""
    document = _document(root / workflow)
    if not document:
        return
    run = _triggers(document).get("workflow_run")
    listed = run.get("workflows") if isinstance(run, Mapping) else None
    known = [str(name) for name in listed] if isinstance(listed, list) else []
    missing = [name for name in checking_workflows(root) if name not in known]
    if not missing:
        yield Check("checks", CheckState.OK, "the end of every workflow continues the loop")
        return
    names = ", ".join(json.dumps(name, ensure_ascii=False) for name in missing)
    fix = f"add to its `on:` workflow_run: {{workflows: [{names}], types: [completed]}}"
    detail = f"{workflow} does not start at the end of {', '.join(missing)}: only the sweep does"
    yield Check("checks", CheckState.WARN, detail, fix, needed=False)


def _document(path: Path) -> Mapping[Any, Any]:
    """The workflow in a file; empty for one of the loop's other workflows, or without meaning."""
    try:
        text = (read_plain(path, _MAX_FILE) or b"").decode("utf-8", "replace")
        document = read_yaml(text)
    except (BusFileUnreadable, DocumentInvalid):
        return {}
    return document if isinstance(document, Mapping) else {}


def _triggers(document: Mapping[Any, Any]) -> Mapping[str, Any]:
    """What starts a workflow; YAML 1.1 reads the key `on` as true."""
    on = document.get("on", document.get(True))
    if isinstance(on, Mapping):
        return {str(name): settings for name, settings in on.items()}
    names = on if isinstance(on, list) else [on]
    return {str(name): None for name in names}


def _checks_pulls(document: Mapping[Any, Any]) -> bool:
    triggers = _triggers(document)
    push = triggers.get("push")
    limits = set(push) & {"branches", "tags"} if isinstance(push, Mapping) else set()
    runs = "pull_request" in triggers or ("push" in triggers and not limits)
    return runs and _OWN_ACTION not in json.dumps(document.get("jobs"), default=str)


def _name(path: str, document: Mapping[Any, Any]) -> str:
    return one_line(str(document.get("name") or path), 200)
