"""Where in the record of a run (`run_names`) each thing is."""

import re
from typing import Literal

from loop_kit.core.loop import bus
from loop_kit.core.loop.state import LoopState, Role

Level = Literal["full", "reports", "off"]


def run_start(state: LoopState) -> str | None:
    """When round 1 of this run began; None before that."""
    first = next((detail for detail in state.round_details if detail.round == 1), None)
    began = first.started_at if first else state.started_at
    return began if re.fullmatch(bus.RUN_FOLDER, began) else None


def run_folder(state: LoopState) -> str | None:
    """The name of a run's folder: its start, without colons, which no artifact takes."""
    began = run_start(state)
    return began.replace(":", "-") if began else None


def attempt_folder(round_: int, role: Role, attempt: int) -> str:
    """The name of an attempt's folder in that of its run."""
    return f"r{round_}_{role.value}_{attempt}"


def artifact_name(task_id: str, round_: int, run_attempt: int = 1) -> str:
    """The artifact with the record of a round; a run that is run again keeps one beside the first.

    Within a run a name is given once.
    """
    again = f"-try{run_attempt}" if run_attempt > 1 else ""
    return f"loop-{task_id}-r{round_}{again}"


def verify_file(sha: str) -> str:
    """Where the output of the verify commands at a commit is kept."""
    return f"verify_{sha[:10]}.txt"
