"""The loops that the git server has, each in a few lines: one listing, one fetch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.remote_loops import RemoteLoops, StateRecord, scratch_repository
from loop_kit.adapters.git.repository import locate
from loop_kit.adapters.loop_dir.loop_folder import loop_folder
from loop_kit.core.forge.advice import ways
from loop_kit.core.forge.heading import heading
from loop_kit.core.loop.overview import finding_lines, usage_line
from loop_kit.core.text.sanitize import one_line
from loop_kit.frozen import frozen
from loop_kit.settings import for_laptop
from loop_kit.usecases.local_files import read_config
from loop_kit.usecases.remote import remote_place

_MAX_TEXT = 1000


@frozen
class RemoteLoop:
    """One loop as the server has it.

    Attributes:
        fields: What programs want: state, round, outcome, reasons, pull request, branches, usage.
        lines: What a person wants.
    """

    task_id: str
    fields: Mapping[str, Any]
    lines: Sequence[str]


def remote_status(
    cwd: Path, environ: Mapping[str, str], loop_dir: str, remote: str
) -> list[RemoteLoop]:
    """Every loop under the prefix, those that a person is needed for first.

    Raises:
        LoopError: this is no repository, a setting is wrong, or the server cannot be asked.
    """
    git = Git(cwd, environ)
    git = git.at(locate(git).root)
    folder = loop_folder(git.directory, loop_dir)
    prefix = for_laptop(environ).resolve(read_config(folder).layer).branch_prefix
    place = remote_place(git, environ, remote)
    with scratch_repository(git) as scratch:
        loops = RemoteLoops(scratch, place.remote, prefix)
        recorded = loops.states(loops.all_states())
    rows = [_row(task_id, record) for task_id, record in sorted(recorded.items())]
    return sorted(rows, key=lambda row: row.fields.get("outcome") in {"approved", "cancelled"})


def _row(task_id: str, record: StateRecord) -> RemoteLoop:
    state = record.state
    if state is None:
        return RemoteLoop(task_id, {"why": record.why}, [f"It cannot be read: {record.why}."])
    document = state.model_dump(mode="json")
    still = finding_lines(document)
    used = usage_line(document)
    lines = [
        one_line(heading(state).text, _MAX_TEXT),
        *([f"Why: {one_line(state.error, _MAX_TEXT)}"] if state.error else []),
        *([f"Used: {used}"] if used else []),
        *([f"Pull request: {state.pull_request_url}"] if state.pull_request_url else []),
        *(f"Open: {finding}" for finding in still),
        *(f"Next: {one_line(way, _MAX_TEXT)}" for way in ways(state)),
    ]
    names = ("state", "round", "outcome", "reasons", "error", "pull_request", "pull_request_url")
    fields = {name: document[name] for name in (*names, "work_branch", "state_branch", "usage")}
    open_ids = [f.id for f in state.findings if f.status == "open"]
    return RemoteLoop(task_id, {**fields, "findings_open": open_ids}, lines)
