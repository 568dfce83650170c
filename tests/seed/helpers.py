"""Steps for the fake agent, events as codex prints them, and small readers for every section."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cli.harness import ISSUE, PATIENCE, Repo, Result, Steps, eventually
from tests.support.programs import Program

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
WORK: Steps = [{"write": {"calc.py": "VALUE = 1\n"}}, {"commit": "Value"}]
DONE: Steps = [*WORK, {"report": {}}]
REFUSED: Steps = [{"stderr": "authentication failed: no key"}, {"exit": 1}]
CRASHED: Steps = [{"stderr": "overloaded"}, {"exit": 3}]
STUCK: Steps = [{"gate": "stuck"}]
ABSENT = "<absent>"

_ACTIVITY = re.compile(r"\[(?:worker|reviewer)\] [A-Z]\w*: .*")


def sent_back(**changes: object) -> Steps:
    """A review that requires changes."""
    report = {"decision": "changes_required", "blocking_issues": [ISSUE], **changes}
    return [{"report": report}]


def item(kind: str, /, **fields: object) -> dict[str, Any]:
    """The event by which codex says that it has finished something."""
    return {"type": "item.completed", "item": {"type": kind, **fields}}


def ran(command: object) -> dict[str, Any]:
    """The event of a finished shell command."""
    return item("command_execution", command=command)


def saying(*lines: object) -> dict[str, Steps]:
    """A worker that prints `lines`, each an event or text, and then does its work."""
    return {"worker": [*({"say": line} for line in lines), *DONE]}


def activities(result: Result) -> list[str]:
    """The lines on the console that tell what an agent did, in their order."""
    return [line for line in result.out.splitlines() if _ACTIVITY.fullmatch(line)]


def told(repo: Repo, *lines: object) -> list[str]:
    """What the console shows of a worker that prints `lines`."""
    repo.plan(saying(*lines))
    result = repo.run()
    assert result.code == 0, result.text
    return activities(result)


def content(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def documents(folder: Path) -> Iterator[Any]:
    """Every JSON document, and every line of a JSONL file, below `folder`."""
    for name, raw in content(folder).items():
        if name.endswith(".json"):
            yield json.loads(raw)
        if name.endswith((".jsonl", "orchestrator.log")):
            yield from (json.loads(line) for line in raw.splitlines())


def texts(document: object) -> Iterator[str]:
    """Every text in a JSON document."""
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for value in document:
            yield from texts(value)
    if isinstance(document, str):
        yield document


def person(repo: Repo, name: str, raw: str | None = None, /, **body: object) -> None:
    """Save a bus file as a careful person does: written beside it, then moved."""
    draft = repo.folder / f"draft-{name}"
    draft.write_text(raw if raw is not None else json.dumps({"task_id": "T-001", **body}), "utf-8")
    draft.replace(repo.folder / name)


def reached(repo: Repo, process: Program, name: str = "stuck") -> int:
    """Wait until the agent of a run is at a gate; its process id. The run must still be there."""
    gate = repo.fake / f"{name}.reached"
    eventually(lambda: gate.exists() or process.poll() is not None, name)
    assert process.poll() is None, finished(process)
    return repo.reached(name)


def finished(process: Program) -> str:
    """Wait for the end of a run; what it printed since the last look."""
    return process.communicate(timeout=PATIENCE)[0]
