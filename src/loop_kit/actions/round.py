"""One round in a CI job: who asked, which loop, may they, and then the engine."""

import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from loop_kit import bootstrap
from loop_kit.actions.outputs import outputs, write_outputs, write_summary
from loop_kit.actions.trigger import BOT, Job, not_for_us, read_job, under_prefix
from loop_kit.adapters.actions_log import ActionsLog
from loop_kit.adapters.feed import FeedReporter, Tee
from loop_kit.adapters.git import Git, Identity
from loop_kit.adapters.git_repository import GitRepository, locate
from loop_kit.adapters.git_store import GitStore, Remote, fetch_branch
from loop_kit.adapters.github_forge import Access, GitHubForge
from loop_kit.adapters.guides import Guides, committed_knowledge
from loop_kit.adapters.system_clock import SystemClock
from loop_kit.config_file import NAMES, parse_config
from loop_kit.core import bus
from loop_kit.core.branches import Branches
from loop_kit.core.render import headline, job_summary
from loop_kit.core.sanitize import Redactor
from loop_kit.core.state import Lease, LoopState, Source
from loop_kit.core.task import TaskCard, checked_task_id, parse_card
from loop_kit.engine import Engine
from loop_kit.engine.options import Continuation, Start
from loop_kit.errors import (
    BadCard,
    BadSetting,
    BranchRefused,
    ForgeRefused,
    ForgeUnavailable,
    LoopError,
    NotARepository,
)
from loop_kit.ports import PushRejected
from loop_kit.settings import (
    ACTION_DEFAULTS,
    Settings,
    Values,
    card_values,
    environment_values,
    input_values,
    resolve,
)

_CARD = ".loop/task_card.json"
_LEASE_MARGIN_SEC = 600
"""How long after its round a lease holds where the API cannot tell whether the run is over."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the parts of one invocation share."""

    job: Job
    environ: Mapping[str, str]
    log: ActionsLog
    git: Git
    repository: GitRepository
    forge: GitHubForge
    remote: Remote
    folder: Path


def run_round(environ: Mapping[str, str], log: ActionsLog) -> LoopState | None:
    """Run one round; None when the event is not for us or another run owns the loop.

    Raises:
        LoopError: a setting, a card, a branch or a permission that a person has to mend.
    """
    inputs: list[tuple[str, Values]] = [("environment", environment_values(environ))]
    inputs.append(("inputs", input_values(environ)))
    settings = resolve([("defaults", ACTION_DEFAULTS), *inputs])
    job = read_job(environ)
    for secret in settings.secrets:
        log.mask(secret)
    why = not_for_us(job)
    if why:
        log.note(why)
        return None
    if under_prefix(job, settings.branch_prefix):
        raise BranchRefused(
            f"The job runs on {job.ref}, where an agent may have written the workflow.",
            "Run the workflow on the default branch.",
        )
    if not settings.github_token.get_secret_value():
        raise BadSetting("The input github-token is empty.", "Pass `github-token`.")
    scene = _scene(job, environ, log, settings)
    try:
        return _Round(scene, inputs, settings).run()
    finally:
        shutil.rmtree(scene.folder / "scratch", ignore_errors=True)


def _scene(job: Job, environ: Mapping[str, str], log: ActionsLog, settings: Settings) -> Scene:
    token = settings.github_token.get_secret_value()
    git = Git(Path(job.workspace), environ, isolated=True, timeout=120)
    try:
        git = git.at(locate(git).root)
    except NotARepository as error:
        raise NotARepository(error.sentence, "Add actions/checkout before this step.") from None
    parent = Path(job.temp) if job.temp else Path(tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    return Scene(
        job=job,
        environ=environ,
        log=log,
        git=git,
        repository=GitRepository(git),
        forge=GitHubForge(Access(job.api_url, job.server_url, job.repository, token)),
        remote=Remote(_remote_url(git, job), job.server_url, token),
        folder=Path(tempfile.mkdtemp(prefix="loop-kit-", dir=parent)),
    )


class _Round:
    """One invocation after its event was understood."""

    def __init__(self, scene: Scene, inputs: list[tuple[str, Values]], settings: Settings) -> None:
        self._scene = scene
        self._inputs = inputs
        self._settings = settings

    def run(self) -> LoopState | None:
        """Authorise, load, run, hand over, and tell."""
        scene = self._scene
        continuing = bool(self._settings.task_id)
        if scene.job.sender != BOT or not continuing:
            self._require_write(scene.job.people)
        place = locate(scene.git)
        card = None if continuing else self._committed_card(place.head)
        task_id = card.task_id if card else _task_id(self._settings.task_id)
        branches = Branches(self._settings.branch_prefix, task_id)
        store = GitStore(scene.git, scene.remote, branches, Identity())
        recorded = store.load()
        if recorded is not None:
            frozen = store.read(bus.TASK_CARD)
            card = parse_card(frozen or b"", f"{bus.TASK_CARD} on {branches.state}")
        if card is None:
            raise BadCard(
                f"There is no loop {task_id} to continue.",
                "Start it by naming its card with the input `task`.",
            )
        if recorded is not None:
            stop = self._reason_to_stop(recorded)
            if stop:
                scene.log.note(stop)
                return None
            if scene.job.sender == BOT:
                self._require_write((recorded.starter, scene.job.rerun_by))
        return self._engine_run(card, branches, store, recorded, place.head)

    def _require_write(self, people: tuple[str, ...]) -> None:
        for login in filter(None, people):
            if not self._scene.forge.may_write(login):
                raise ForgeRefused(
                    f"{login} may not write to {self._scene.job.repository}.",
                    "Let somebody with write access start the loop.",
                )

    def _committed_card(self, head: str) -> TaskCard:
        path = self._settings.task or _CARD
        raw = self._scene.repository.read(head, path)
        if raw is None:
            raise BadCard(
                f"The task card {path} is not committed at {head[:10]}.",
                "Commit it there, or name another with the input `task`.",
            )
        return parse_card(raw, path)

    def _reason_to_stop(self, recorded: LoopState) -> str:
        """Why this job ends green without a round, or ''."""
        asked = (self._settings.round, self._settings.expected_state)
        if asked not in {(None, None), (recorded.continue_to, recorded.seq)}:
            return (
                f"This continuation (round {asked[0]}, state {asked[1]}) is not the one that"
                f" {recorded.task_id} waits for (round {recorded.continue_to}, state"
                f" {recorded.seq}): nothing to do."
            )
        if self._scene.job.sender == BOT and None in asked:
            return "A continuation by a bot names its round and state: nothing to do."
        if recorded.finished:
            return f"{recorded.task_id} is {recorded.outcome}: use a new task id for new work."
        if recorded.lease is not None and not self._is_lost(recorded.lease):
            return f"busy: run {recorded.lease.run_id} is at work on {recorded.task_id}."
        return ""

    def _is_lost(self, lease: Lease) -> bool:
        job = self._scene.job
        if lease.run_id == job.run_id and lease.run_attempt < job.run_attempt:
            return True
        ended = self._scene.forge.run_has_ended(lease)
        return SystemClock().now() > lease.expires_at if ended is None else ended

    def _engine_run(
        self,
        card: TaskCard,
        branches: Branches,
        store: GitStore,
        recorded: LoopState | None,
        head: str,
    ) -> LoopState | None:
        scene = self._scene
        base_branch = self._base_branch(card, recorded)
        base_sha = recorded.base_sha if recorded else self._tip(base_branch, head)
        self._have(base_sha)
        settings = self._full_settings(card, base_sha)
        if settings.isolation == "in-place":
            tip = recorded.branch_tip if recorded else base_sha
            scene.git.run("checkout", "--quiet", "--force", "--detach", tip)
        ground = self._ground()
        parts = self._parts(settings, ground, store, base_sha)
        options = bootstrap.options(settings, card, ground, scene.environ, ci=True)
        reporter = Tee(scene.log, FeedReporter(ground.logs, SystemClock()))
        engine = bootstrap.engine(ground, parts, reporter, options)
        try:
            state = engine.begin(
                Start(
                    card=card,
                    base_sha=base_sha,
                    start_sha=base_sha,
                    limits=bootstrap.limits(settings, card, ci=True),
                    verify=settings.verify,
                    fresh=recorded is None,
                    source=Source(kind="file", ref=settings.task or _CARD),
                    starter=scene.job.sender,
                    publishes=True,
                    base_branch=base_branch,
                    work_branch=branches.work,
                    lease=self._lease(settings),
                )
            )
            engine.run(last_round=state.round)
            undispatched = self._hand_over(engine, settings)
        except PushRejected as error:
            scene.log.warn(f"busy: another run took over {card.task_id} ({error}).")
            return None
        finally:
            scene.log.close()
        self._tell(engine.state, branches, store)
        if undispatched is not None:
            raise undispatched
        return engine.state

    def _hand_over(self, engine: Engine, settings: Settings) -> LoopError | None:
        """Hand over; a next round that could not be dispatched is told after the outputs are."""
        try:
            engine.hand_over(self._scene.forge, self._continuation(settings))
        except (ForgeRefused, ForgeUnavailable) as error:
            return error
        return None

    def _full_settings(self, card: TaskCard, base_sha: str) -> Settings:
        config: Values = {}
        for name in NAMES:
            raw = self._scene.repository.read(base_sha, f".loop/{name}")
            if raw is not None:
                config = parse_config(raw, f".loop/{name}")
                break
        layers = [("defaults", ACTION_DEFAULTS), ("config", config), ("card", card_values(card))]
        settings = resolve([*layers, *self._inputs])
        if "manual" in {settings.worker_backend, settings.reviewer_backend}:
            raise BadSetting(
                "The backend manual waits for a person, which a job cannot.",
                "Choose another worker-backend and reviewer-backend.",
            )
        return settings

    def _base_branch(self, card: TaskCard, recorded: LoopState | None) -> str:
        if recorded is not None and recorded.base_branch:
            return recorded.base_branch
        named = self._settings.base_branch or card.base_branch or self._scene.job.default_branch
        return named or self._scene.job.ref.removeprefix("refs/heads/")

    def _tip(self, branch: str, head: str) -> str:
        """The tip of the base branch: what is checked out when the job runs on that branch."""
        job = self._scene.job
        if job.ref == f"refs/heads/{branch}" and head == job.sha:
            return head
        return fetch_branch(self._scene.git, self._scene.remote, branch)

    def _have(self, sha: str) -> None:
        if not self._scene.git.has(sha):
            fetch_branch(self._scene.git, self._scene.remote, sha, depth=1)

    def _ground(self) -> bootstrap.Ground:
        scene = self._scene
        place = locate(scene.git)
        return bootstrap.Ground(
            git=scene.git,
            git_dir=place.git_dir,
            root=place.root,
            loop_dir=place.root / ".loop",
            logs=scene.folder / "logs",
            scratch=scene.folder / "scratch",
            mailboxes=scene.folder / "scratch" / "mailbox",
        )

    def _parts(
        self, settings: Settings, ground: bootstrap.Ground, store: GitStore, base_sha: str
    ) -> bootstrap.Parts:
        scene = self._scene
        identity = Identity()
        extra = identity.environment()
        return bootstrap.Parts(
            store=store,
            agents=bootstrap.agents(settings, ground, scene.environ, extra, scene.folder),
            guides=self._guides(base_sha),
            isolated=settings.isolation == "clone",
            identity=identity,
            environ=scene.environ,
            forge=scene.forge,
        )

    def _guides(self, base_sha: str) -> Guides:
        """The texts at the base commit, which nothing that a worker writes can change."""
        read = partial(self._scene.repository.read_many, base_sha)
        now = SystemClock().now()
        return Guides(read, ".loop", lambda: committed_knowledge(read, ".loop", now))

    def _lease(self, settings: Settings) -> Lease:
        seconds = settings.round_timeout_minutes * 60 + _LEASE_MARGIN_SEC
        return Lease(
            holder=secrets.token_hex(8),
            run_id=self._scene.job.run_id,
            run_attempt=self._scene.job.run_attempt,
            expires_at=SystemClock().later(seconds),
        )

    def _continuation(self, settings: Settings) -> Continuation | None:
        if settings.continue_ == "none":
            return None
        job = self._scene.job
        workflow = settings.continue_workflow or job.workflow
        ref = job.default_branch or job.ref.removeprefix("refs/heads/")
        return Continuation(workflow, ref)

    def _tell(self, state: LoopState, branches: Branches, store: GitStore) -> None:
        scene = self._scene
        files = {}
        for key, name in (("report-path", bus.REVIEW_REPORT), ("state-path", bus.STATE)):
            content = store.read(name) if name != bus.STATE else state.to_json()
            if content is not None:
                path = scene.folder / name
                path.write_bytes(content)
                files[key] = str(path)
        said = headline(state)
        scene.log.note(said)
        redact = Redactor(bootstrap.secrets(self._settings, scene.environ))
        write_summary(
            scene.environ.get("GITHUB_STEP_SUMMARY", ""), redact(job_summary(state, said))
        )
        write_outputs(
            scene.environ.get("GITHUB_OUTPUT", ""),
            {"report-path": "", "state-path": "", **outputs(state, branches.state, files)},
        )
        if state.outcome is not None and state.exit_code:
            scene.log.fail(said)


def _remote_url(git: Git, job: Job) -> str:
    """Where to push: as the checkout has it when that is on this server, without any login."""
    built = f"{job.server_url.rstrip('/')}/{job.repository}"
    origin = git.run("config", "remote.origin.url", ok=(0, 1)).out.decode("utf-8", "replace")
    parts, server = urlsplit(origin.strip()), urlsplit(job.server_url)
    same = (parts.scheme, parts.hostname, parts.port) == (
        server.scheme,
        server.hostname,
        server.port,
    )
    named = parts.path.strip("/").removesuffix(".git").endswith(job.repository)
    if not (same and named):
        return built
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def _task_id(task_id: str) -> str:
    try:
        return checked_task_id(task_id)
    except ValueError as error:
        raise BadSetting(f"task-id {task_id[:80]!r} {error}.", "Correct it.") from None
