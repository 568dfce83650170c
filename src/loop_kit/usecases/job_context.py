"""What one invocation works with: who runs it, its checkout, the forge, settings and log."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loop_kit.adapters.git.base_branch import ServerBaseBranch
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.partial_checkout import PartialCheckout
from loop_kit.adapters.git.remote import Remote
from loop_kit.adapters.git.repository import GitRepository
from loop_kit.adapters.github.forge import Access, GitHubForge
from loop_kit.adapters.retry import Deadline
from loop_kit.adapters.runner.job import Job
from loop_kit.adapters.runner.log import ActionsLog
from loop_kit.adapters.spare_token import SpareToken
from loop_kit.bootstrap import Site
from loop_kit.config_file import NAMES, Config, first_config
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.errors import BadSetting
from loop_kit.frozen import frozen
from loop_kit.settings import Layers, Settings
from loop_kit.usecases.checkout import Checkout, find_checkout, remote_url

LEASE_MARGIN_SEC = 600
"""How long after its round a lease holds where the API cannot tell whether the run is over."""
_OF_THE_JOB = ("base_branch", "branch_prefix", "fail_on")
"""What the action must know before it knows the commit at which the configuration is read."""


@frozen
class Invocation:
    """Who runs us, and for which repository; on a laptop there is no run of CI.

    Attributes:
        repository: "owner/name".
        default_branch: Where the next rounds are dispatched.
        run_id: The run of CI; "" on a laptop.
        workflow: The file of the workflow that runs us.
        people: Everybody who had a hand in starting the run.
        starter: The account that a loop begun here belongs to.
        bot: The app that started the run, if one did.
        rerun_by: Who had the run repeated; "" when nobody did.
    """

    repository: str
    default_branch: str
    run_id: str = ""
    attempt: int = 1
    workflow: str = ""
    people: tuple[str, ...] = ()
    starter: str = ""
    bot: str | None = None
    rerun_by: str = ""

    @classmethod
    def of_job(cls, job: Job) -> "Invocation":
        """The invocation by a job of a workflow."""
        return cls(
            repository=job.repository,
            default_branch=job.default_branch or job.ref.removeprefix("refs/heads/"),
            run_id=job.run_id,
            attempt=job.run_attempt,
            workflow=job.workflow,
            people=job.people,
            starter=job.starter,
            bot=job.sender if job.sender_type == "Bot" else None,
            rerun_by=job.rerun_by,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """One invocation that works on loops of CI.

    Attributes:
        settings: What the `layers` say before any card or configuration.
        folder: Ours, below the runner's folder for temporary files.
        deadline: When the job is over, for its requests to both servers.
    """

    invocation: Invocation
    checkout: Checkout
    forge: GitHubForge
    layers: Layers
    settings: Settings
    site: Site
    folder: Path
    log: ActionsLog
    deadline: Deadline = field(default_factory=Deadline)

    def loop_settings(self, card: TaskCard, base_sha: str) -> Settings:
        """The settings for one loop: with its card, and the configuration at its base.

        Raises:
            BadSetting: one of them does not fit, or waits for a person.
        """
        self.checkout.fetch(base_sha)
        config = config_at(self.checkout.repository, base_sha)
        for name in _OF_THE_JOB:
            value = config.values.get(name)
            if value is not None and str(value) != str(getattr(self.settings, name)):
                raise BadSetting(
                    f"{config.path}: {name} is decided before that file is read.",
                    f"Pass it as the input `{name.replace('_', '-')}`.",
                )
        settings = self.layers.resolve(config.layer, card)
        if "manual" in {settings.worker_backend, settings.reviewer_backend}:
            raise BadSetting(
                "The backend manual waits for a person, which a job cannot.",
                "Choose another worker-backend and reviewer-backend.",
                anchor="backend-incomplete",
            )
        return settings


def open_context(
    job: Job,
    environ: Mapping[str, str],
    log: ActionsLog,
    settings: Settings,
    layers: Layers,
) -> JobContext:
    """The context of a job in a checkout.

    Raises:
        BadSetting: there is no token.
        NotARepository: there is no checkout of the job's repository.
    """
    token = settings.github_token.get_secret_value()
    if not token:
        raise BadSetting(
            "The input github-token is empty.", "Pass `github-token`.", anchor="token-missing"
        )
    deadline = Deadline()
    deadline.set(settings.round_timeout_minutes * 60 + LEASE_MARGIN_SEC)
    spare = _spare_token(environ, token, log)
    checkout = _open_checkout(job, environ, token, deadline, spare)
    parent = Path(job.temp) if job.temp else Path(tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="loop-kit-", dir=parent))
    return JobContext(
        invocation=Invocation.of_job(job),
        checkout=checkout,
        forge=_forge(job, settings, deadline, spare),
        layers=layers,
        settings=settings,
        site=Site.in_job(
            *(checkout.git, checkout.place, environ, folder, checkout.supply),
            ServerBaseBranch(checkout.git, checkout.remote, checkout.supply.complete),
            is_private=job.is_private,
        ),
        folder=folder,
        log=log,
        deadline=deadline,
    )


def _spare_token(environ: Mapping[str, str], token: str, log: ActionsLog) -> SpareToken:
    """The job's own token, where another one is used."""
    own = environ.get("LOOP_JOB_TOKEN", "").strip()
    return SpareToken("" if own == token else own, log.warn)


def _forge(job: Job, settings: Settings, deadline: Deadline, spare: SpareToken) -> GitHubForge:
    token = settings.github_token.get_secret_value()
    place = (job.api_url, job.server_url, job.repository)
    access = Access(*place, token, deadline=deadline, spare=spare)
    other = settings.reviewer_token.get_secret_value()
    reviewer = Access(*place, other, deadline=deadline) if other else None
    return GitHubForge(access, reviewer=reviewer)


def _open_checkout(
    job: Job, environ: Mapping[str, str], token: str, deadline: Deadline, spare: SpareToken
) -> Checkout:
    git = Git.in_job(Path(job.workspace), environ, timeout=120)
    place = find_checkout(git, Path.cwd(), job)
    git = git.at(place.root)
    remote = Remote(remote_url(git, job), job.server_url, token, deadline, spare)
    supply = PartialCheckout(git, remote)
    supply.complete(place.head)
    on_branch = job.ref.startswith("refs/heads/") and place.head == job.sha
    branch = job.ref.removeprefix("refs/heads/") if on_branch else None
    return Checkout(git, place, remote, supply, branch)


def config_at(repository: GitRepository, sha: str) -> Config:
    """The configuration file at commit `sha`.

    Raises:
        BadSetting: it cannot be parsed, or a setting is unknown.
    """
    found = repository.read_many(sha, [f"{LOOP_DIR}/{name}" for name in NAMES])
    return first_config(found.get, LOOP_DIR)
