"""What a sweep works in: a job of CI, or a laptop whose repository has the loops on its remote.

On a laptop git goes to the server with the user's own credentials, and fetches go to a temporary
repository.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from loop_kit.adapters.files.removal import remove
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.remote import default_branch
from loop_kit.adapters.git.remote_loops import scratch_repository
from loop_kit.adapters.git.repository import Place, locate
from loop_kit.adapters.github.forge import GitHubForge
from loop_kit.adapters.loop_dir.loop_folder import loop_folder
from loop_kit.adapters.runner.job import read_job, require_trusted_ref
from loop_kit.adapters.runner.log import ActionsLog
from loop_kit.bootstrap import Site
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import BadSetting
from loop_kit.settings import Layers, Settings, Values, for_job
from loop_kit.usecases.checkout import Checkout
from loop_kit.usecases.job_context import Invocation, JobContext, open_context
from loop_kit.usecases.local_files import read_config
from loop_kit.usecases.remote import RemotePlace, remote_place


@contextmanager
def open_in_job(environ: Mapping[str, str], flags: Values) -> Iterator[JobContext]:
    """The context of a job, with the settings that the action would have on a schedule.

    Raises:
        BadSetting: there is no token.
        BranchRefused: the job runs on a branch that an agent may have written.
    """
    layers = for_job(environ).over("flags", flags)
    settings = layers.resolve()
    if not settings.github_token.get_secret_value():
        raise BadSetting(
            "There is no token.", "Set GITHUB_TOKEN in the step's `env`.", anchor="token-missing"
        )
    job = read_job({**environ, "GITHUB_EVENT_NAME": "schedule"})
    require_trusted_ref(job, settings.branch_prefix)
    context = open_context(job, environ, ActionsLog(sys.stderr), settings, layers)
    try:
        yield context
    finally:
        context.forge.close()
        remove(context.folder)


@contextmanager
def open_on_laptop(
    cwd: Path, environ: Mapping[str, str], loop_dir: str, remote: str, flags: Values
) -> Iterator[JobContext]:
    """The context of a person whose repository has the loops on its remote.

    Raises:
        BadSetting: nobody named the workflow that runs the rounds, or the forge cannot be asked.
    """
    git = Git(cwd, environ, timeout=120)
    git = git.at(locate(git).root)
    layers = for_job(environ).over("flags", flags)
    settings = layers.resolve(read_config(loop_folder(git.directory, loop_dir)).layer)
    # The file on disk counts here, not the one at the commit where a loop began.
    layers = layers.over("config", {"continue_workflow": settings.continue_workflow})
    if not settings.continue_workflow and not settings.dry_run:
        raise BadSetting(
            "Which workflow runs the rounds is not known here.",
            "Name its file: --workflow loop.yml.",
            anchor="not-in-a-job",
        )
    place = remote_place(git, environ, remote)
    with scratch_repository(git) as scratch:
        context = _scratch_context(scratch, environ, place, settings, layers)
        try:
            yield context
        finally:
            context.forge.close()


def _scratch_context(
    git: Git,
    environ: Mapping[str, str],
    place: RemotePlace,
    settings: Settings,
    layers: Layers,
) -> JobContext:
    access = place.require_access("GitHub cannot be asked about the loops.")
    folder = git.directory / "loop-kit"
    folder.mkdir()
    checkout = Checkout(git, Place(git.directory, git.directory, "", ""), place.remote)
    return JobContext(
        invocation=Invocation(access.repository, default_branch(git, place.remote) or ""),
        checkout=checkout,
        forge=GitHubForge(access),
        layers=layers,
        settings=settings,
        site=Site.in_job(git, checkout.place, environ, folder, checkout.supply),
        folder=folder,
        log=_PlainLog(sys.stderr),
    )


class _PlainLog(ActionsLog):
    """The log for people: without the commands of a runner."""

    def note(self, message: str) -> None:
        super().note(one_line(message, 1000))

    def warn(self, message: str) -> None:
        self.note(f"Warning: {message}")

    def fail(self, message: str) -> None:
        self.note(f"Error: {message}")
