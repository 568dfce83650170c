"""Starts the workflow that runs the next round, and says what to change where GitHub refuses."""

from collections.abc import Mapping

from loop_kit.adapters.github.api import GitHubApi
from loop_kit.adapters.github.refusals import Refused
from loop_kit.errors import ForgeRefused

_DISPATCH_INPUTS = """      task-id: {type: string}
      round: {type: string}
      expected-state: {type: string}"""


def start(api: GitHubApi, page: str, workflow: str, ref: str, inputs: Mapping[str, str]) -> None:
    """Dispatch `workflow` on `ref`; `page` is the repository's."""
    repository = api.repository

    def call() -> bool:
        found = repository.get_workflow(workflow)
        return found.create_dispatch(ref, dict(inputs), throw=True)

    try:
        api.start("actions: write", call)
    except Refused as error:
        if error.status in {403, 422} and "disabled" in error.sentence:
            raise ForgeRefused(
                f"{workflow} is disabled, so it cannot be dispatched.",
                f"Click 'Enable workflow' on {page}/actions/workflows/{workflow}.",
                anchor="workflow-not-dispatchable",
            ) from None
        if error.status == 422 and "workflow_dispatch" in error.sentence:
            raise ForgeRefused(
                error.sentence,
                "Add `workflow_dispatch` to its `on:`, or name the workflow that runs the"
                " rounds with `continue-workflow`.",
                anchor="workflow-not-dispatchable",
            ) from None
        if error.status == 422 and "input" in error.sentence.lower():
            raise ForgeRefused(
                f"{workflow} does not declare the inputs that continue a loop.",
                f"Add to its `on: workflow_dispatch: inputs:`\n\n{_DISPATCH_INPUTS}",
                anchor="workflow-not-dispatchable",
            ) from None
        if error.status == 404:
            raise ForgeRefused(
                f"{workflow} is not on the default branch, so it cannot be dispatched.",
                "Merge it there, or name another with `continue-workflow`.",
                anchor="workflow-not-dispatchable",
            ) from None
        raise
