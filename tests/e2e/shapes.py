"""Jobs in checkouts of every shape: partial, in a sub-folder, on another default branch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.e2e.conftest import REPOSITORY, Hub, JobResult
from tests.e2e.events import Event
from tests.support.git_client import WorkingCopy


def as_it_is(checkout: WorkingCopy) -> None:
    """Leave the checkout as git made it."""
    del checkout


@dataclass
class ShapedHub(Hub):
    """A hub whose checkouts are made with `options` of `git clone` and then given to `prepare`."""

    options: tuple[str, ...] = ("--depth=1",)
    default_branch: str = "main"
    folder: str = "checkout"
    prepare: Callable[[WorkingCopy], None] = as_it_is
    variables: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, hub: Hub, *options: str) -> Self:
        """The same servers, with other checkouts."""
        return cls(hub.git, hub.api, hub.root, options=options or ("--depth=1",))

    def environment(
        self,
        inputs: Mapping[str, str],
        sender: str,
        folder: Path,
        event: Event | None = None,
    ) -> dict[str, str]:
        environ = super().environment(inputs, sender, folder, event)
        file = Path(environ["GITHUB_EVENT_PATH"])
        payload = json.loads(file.read_text())
        payload["repository"]["default_branch"] = self.default_branch
        file.write_text(json.dumps(payload))
        ref = f"refs/heads/{self.default_branch}"
        workflow = f"{REPOSITORY}/.github/workflows/loop.yml@{ref}"
        return {**environ, "GITHUB_REF": ref, "GITHUB_WORKFLOW_REF": workflow}

    def checkout(self) -> Path:
        folder = self.root / str(next(self.numbers))
        folder.mkdir()
        copy = WorkingCopy.clone(
            f"{self.git.url}/{REPOSITORY}", folder / self.folder, "bot", *self.options
        )
        self.prepare(copy)
        return folder

    def job(
        self,
        sender: str = "mona",
        env: Mapping[str, str] | None = None,
        kill_after_push: int = 0,
        event: Event | None = None,
        **inputs: str,
    ) -> JobResult:
        sha = self.bare.head(self.default_branch) or ""
        env = {"GITHUB_SHA": sha, **self.variables, **(env or {})}
        return super().job(sender, env, kill_after_push, event, **inputs)


def assert_approved_in_two_rounds(hub: Hub) -> None:
    """Run the loop of the shared script to its end."""
    first = hub.job()
    assert first.code == 0, first.log
    assert first.outputs["decision"] == "changes_required", first.log
    second = hub.continued()
    assert second.code == 0, second.log
    assert second.outputs["outcome"] == "approved", second.log
