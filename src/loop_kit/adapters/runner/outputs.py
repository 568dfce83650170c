"""The results of a job for later steps: outputs and the job summary."""

import secrets
from collections.abc import Mapping
from pathlib import Path

from loop_kit.adapters.files.append import append_whole
from loop_kit.core.loop.findings import open_findings
from loop_kit.core.loop.state import LoopState
from loop_kit.errors import naming_file

_MAX_VALUE = 100_000


def outputs(
    state: LoopState,
    state_branch: str,
    files: Mapping[str, str],
    round_: int | None = None,
    *,
    claimed: bool = False,
) -> dict[str, str]:
    """The action's outputs; `files` holds `report-path` and `state-path`.

    `round_` is the round that ran, if one did. With `claimed` the agents run in a later job of the
    same run.
    """
    usage = state.usage
    tokens = (usage.tokens_in or 0) + (usage.tokens_out or 0)
    decisions = [record.decision for record in state.history if record.decision]
    return {
        "task-id": state.task_id,
        "round": str(round_ or last_round(state)),
        "decision": decisions[-1] if decisions else "",
        "state": state.state.value,
        "outcome": state.outcome.value if state.outcome else "",
        "continue": "true" if state.is_running and (state.continue_to or claimed) else "false",
        "pull-request-number": str(state.pull_request or ""),
        "pull-request-url": state.pull_request_url,
        "work-branch": state.work_branch,
        "state-branch": state_branch,
        "base-sha": state.base_sha,
        "head-sha": state.head_sha,
        "findings-open": str(len(open_findings(state.findings))),
        "tokens": "unknown" if usage.tokens_in is None else str(tokens),
        "cost-usd": "unknown" if usage.cost_usd is None else f"{usage.cost_usd:.4f}",
        **files,
    }


def last_round(state: LoopState) -> int:
    """The last round that ended, or the first one."""
    return state.history[-1].round if state.history else state.round


def write_outputs(path: str, values: Mapping[str, str]) -> None:
    """Append `values` to the file `path` (GITHUB_OUTPUT), each with an unguessable delimiter."""
    if not path:
        return
    _append(path, "".join(_entry(name, value[:_MAX_VALUE]) for name, value in values.items()))


def write_summary(path: str, markdown: str) -> None:
    """Append `markdown` to the file `path` (GITHUB_STEP_SUMMARY)."""
    if path:
        _append(path, markdown)


def _append(path: str, text: str) -> None:
    """Append `text` whole or not at all: the runner refuses a file that ends in half an entry."""
    with naming_file(path), Path(path).open("ab", buffering=0) as stream:
        append_whole(stream, text.encode(errors="replace"))


def _entry(name: str, value: str) -> str:
    delimiter = f"loop-kit-{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
