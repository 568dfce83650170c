"""`loop sweep`: looks after the loops of CI by hand; what it does is in `actions.sweep`.

In a job it is what the action does on the event `schedule`. On a laptop git goes to the server with
the user's own credentials, and everything that is fetched lies in a repository of a moment.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from loop_kit.adapters.git.command import Git
    from loop_kit.adapters.runner.log import ActionsLog
    from loop_kit.core.ci.sweeping import Swept
    from loop_kit.errors import LoopError
    from loop_kit.settings import Layers, Settings, Values
    from loop_kit.usecases.job_context import Scene
    from loop_kit.usecases.remote import RemotePlace


def sweep(
    workflow: str = typer.Option("", help="The workflow that runs the rounds: loop.yml."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be done."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object."),
    remote: str = typer.Option("origin", help="The git remote that the loops are on."),
    loop_dir: str = typer.Option(".loop", help="The loop's folder, relative to the repository."),
) -> None:
    """Have loops of CI carried on whose job died, and delete what was closed a month ago."""
    flags: dict[str, object] = {"dry_run": dry_run} if dry_run else {}
    if workflow:
        flags["continue_workflow"] = workflow
    in_job = os.environ.get("GITHUB_ACTIONS") == "true"
    opened = _job(os.environ, flags) if in_job else _laptop(Path.cwd(), loop_dir, remote, flags)
    with opened as scene:
        swept, errors = _swept(scene)
    if as_json:
        typer.echo(json.dumps(_as_json(swept), separators=(",", ":")))
    else:
        _show(swept)
    if errors:
        raise errors[0]


def _swept(scene: "Scene") -> "tuple[Swept, tuple[LoopError, ...]]":
    from loop_kit.usecases.authority import Authority
    from loop_kit.usecases.job import LoopJob
    from loop_kit.usecases.sweep import sweep as swept

    bots = scene.settings.allowed_bots
    return swept(LoopJob(scene, Authority(scene.forge, scene.repository_name, bots)))


@contextmanager
def _job(environ: Mapping[str, str], flags: "Values") -> "Iterator[Scene]":
    """The scene of a job, with the settings that the action would have on a schedule."""
    from loop_kit.actions.events import read_request
    from loop_kit.adapters.runner.job import read_job
    from loop_kit.errors import BadSetting
    from loop_kit.settings import for_job
    from loop_kit.usecases.job_context import open_scene

    layers = for_job(environ).over("flags", flags)
    settings = layers.resolve()
    if not settings.github_token.get_secret_value():
        raise BadSetting("There is no token.", "Set GITHUB_TOKEN in the step's `env`.")
    job = read_job({**environ, "GITHUB_EVENT_NAME": "schedule"})
    read_request(job, {}, settings)  # refuses a job on a branch that an agent may have written
    scene = open_scene(job, environ, _log(in_job=True), settings, layers)
    try:
        yield scene
    finally:
        scene.forge.close()
        shutil.rmtree(scene.folder, ignore_errors=True)


@contextmanager
def _laptop(cwd: Path, loop_dir: str, remote: str, flags: "Values") -> "Iterator[Scene]":
    """The scene of a person whose repository has the loops on its remote."""
    from loop_kit.adapters.git.command import Git
    from loop_kit.adapters.git.remote_loops import scratch_repository
    from loop_kit.adapters.git.repository import locate
    from loop_kit.adapters.loop_dir.loop_folder import loop_folder
    from loop_kit.errors import BadSetting
    from loop_kit.settings import for_job
    from loop_kit.usecases.local_files import read_config
    from loop_kit.usecases.remote import remote_place

    git = Git(cwd, os.environ, timeout=120)
    git = git.at(locate(git).root)
    layers = for_job(os.environ).over("flags", flags)
    settings = layers.resolve(read_config(loop_folder(git.directory, loop_dir)).layer)
    # The file on disk counts here, not the one at the commit where a loop began.
    layers = layers.over("config", {"continue_workflow": settings.continue_workflow})
    if not settings.continue_workflow and not settings.dry_run:
        raise BadSetting(
            "Which workflow runs the rounds is not known here.",
            "Name its file: --workflow loop.yml.",
        )
    place = remote_place(git, os.environ, remote)
    with scratch_repository(git) as scratch:
        scene = _scene(scratch, place, settings, layers)
        try:
            yield scene
        finally:
            scene.forge.close()


def _scene(
    git: "Git",
    place: "RemotePlace",
    settings: "Settings",
    layers: "Layers",
) -> "Scene":
    from loop_kit.adapters.git.remote import default_branch
    from loop_kit.adapters.git.repository import GitRepository, Place
    from loop_kit.errors import BadSetting
    from loop_kit.usecases.job_context import Scene

    forge = place.forge()
    if forge is None:
        raise BadSetting("GitHub cannot be asked about the loops.", place.hint)
    folder = git.directory / "loop-kit"
    folder.mkdir()
    return Scene(
        repository_name=place.repository,
        default_branch=default_branch(git, place.remote) or "",
        environ=os.environ,
        log=_log(in_job=False),
        git=git,
        place=Place(git.directory, git.directory, "", ""),
        repository=GitRepository(git),
        forge=forge,
        remote=place.remote,
        folder=folder,
        settings=settings,
        layers=layers,
    )


def _log(*, in_job: bool) -> "ActionsLog":
    """What the engine says goes to standard error; only a runner makes annotations of it."""
    from loop_kit.adapters.runner.log import ActionsLog
    from loop_kit.core.sanitize import one_line

    class Plain(ActionsLog):
        """For people: without the commands of a runner."""

        def note(self, message: str) -> None:
            super().note(one_line(message, 1000))

        def warn(self, message: str) -> None:
            self.note(f"Warning: {message}")

    return ActionsLog(sys.stderr) if in_job else Plain(sys.stderr)


def _as_json(swept: "Swept") -> dict[str, object]:
    rows = [
        {"task-id": row.task_id, "found": row.found, "did": row.did.value, "said": row.said}
        for row in swept.rows
    ]
    return {"loops": swept.loops, "left": swept.left, "swept": rows}


def _show(swept: "Swept") -> None:
    from loop_kit.core.ci.sweeping import totals
    from loop_kit.core.sanitize import one_line

    width = max((len(row.task_id) for row in swept.rows), default=0)
    for row in swept.rows:
        said = one_line(f"{row.found}. {row.did}: {row.said}", 500)
        typer.echo(f"{row.task_id:{width}}  {said}")
    typer.echo(totals(swept))
