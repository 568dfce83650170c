"""What the parts of one invocation share: the job, its repository, the server and the forge."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from loop_kit.adapters.git.clones import Complete, Supply
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.partial_checkout import PartialCheckout
from loop_kit.adapters.git.remote import Remote, fetch_branch, fetch_commit
from loop_kit.adapters.git.repository import GitRepository, Place
from loop_kit.adapters.github.forge import Access, GitHubForge
from loop_kit.adapters.runner.job import Job
from loop_kit.adapters.runner.log import ActionsLog
from loop_kit.config_file import first_config
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadSetting
from loop_kit.settings import Layers, Settings
from loop_kit.usecases.checkout import find_checkout, remote_url

_OF_THE_JOB = ("base_branch", "branch_prefix", "fail_on")
"""What the action must know before it knows the commit at which the configuration is read."""


@dataclass(frozen=True, slots=True)
class Run:
    """The run of CI that this is, and who started it; on a laptop there is none."""

    id: str = ""
    attempt: int = 1
    workflow: str = ""
    people: tuple[str, ...] = ()
    starter: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One invocation; `settings` are what its `layers` say before any card or configuration.

    `default_branch` is where the next rounds are dispatched.
    """

    run: Run = Run()
    repository_name: str
    default_branch: str
    environ: Mapping[str, str]
    log: ActionsLog
    git: Git
    place: Place
    repository: GitRepository
    forge: GitHubForge
    remote: Remote
    folder: Path
    settings: Settings
    layers: Layers
    supply: Supply = field(default_factory=Complete)

    def have(self, sha: str) -> None:
        """Fetch a commit, or what belongs to it, that the checkout does not hold."""
        if not self.git.has(sha):
            fetch_commit(self.git, self.remote, sha)
        self.supply.complete(sha)

    def full_settings(self, card: TaskCard, base_sha: str) -> Settings:
        """The settings for one loop: with its card, and the configuration at its base.

        Raises:
            BadSetting: one of them does not fit, or waits for a person.
        """
        self.have(base_sha)
        config = first_config(partial(self.repository.read, base_sha), LOOP_DIR)
        for name in _OF_THE_JOB:
            said = config.values.get(name)
            if said is not None and str(said) != str(getattr(self.settings, name)):
                raise BadSetting(
                    f"{config.path}: {name} is decided before that file is read.",
                    f"Pass it as the input `{name.replace('_', '-')}`.",
                )
        settings = self.layers.resolve(config.layer, card)
        if "manual" in {settings.worker_backend, settings.reviewer_backend}:
            raise BadSetting(
                "The backend manual waits for a person, which a job cannot.",
                "Choose another worker-backend and reviewer-backend.",
            )
        return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class JobScene(Scene):
    """The scene of a job, in its checkout."""

    job: Job

    def tip(self, branch: str) -> str:
        """The tip of a branch: what is checked out when the job runs on that branch."""
        if self.job.ref == f"refs/heads/{branch}" and self.place.head == self.job.sha:
            return self.place.head
        return fetch_branch(self.git, self.remote, branch)


def open_scene(
    job: Job,
    environ: Mapping[str, str],
    log: ActionsLog,
    settings: Settings,
    layers: Layers,
) -> JobScene:
    """The scene of a job in a checkout.

    Raises:
        BadSetting: there is no token.
        NotARepository: there is no checkout of the job's repository.
    """
    token = settings.github_token.get_secret_value()
    if not token:
        raise BadSetting("The input github-token is empty.", "Pass `github-token`.")
    git = Git.in_job(Path(job.workspace), environ, timeout=120)
    place = find_checkout(git, Path.cwd(), job)
    git = git.at(place.root)
    remote = Remote(remote_url(git, job), job.server_url, token)
    supply = PartialCheckout(git, remote)
    supply.complete(place.head)
    parent = Path(job.temp) if job.temp else Path(tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    return JobScene(
        job=job,
        run=Run(job.run_id, job.run_attempt, job.workflow, job.people, job.starter),
        repository_name=job.repository,
        default_branch=job.default_branch or job.ref.removeprefix("refs/heads/"),
        environ=environ,
        log=log,
        git=git,
        place=place,
        repository=GitRepository(git),
        forge=GitHubForge(Access(job.api_url, job.server_url, job.repository, token)),
        remote=remote,
        supply=supply,
        folder=Path(tempfile.mkdtemp(prefix="loop-kit-", dir=parent)),
        settings=settings,
        layers=layers,
    )
