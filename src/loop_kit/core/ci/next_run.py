"""What the job that continues a loop is started with."""

from loop_kit.core.loop.state import LoopState


def resume_inputs(state: LoopState) -> dict[str, str]:
    """The inputs of the workflow run that continues a loop: a `Resume` that fits its state."""
    return {
        "task-id": state.task_id,
        "round": str(state.round),
        "expected-state": str(state.seq),
    }
