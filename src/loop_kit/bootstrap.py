"""Builds an engine: which adapters it gets follows from the settings and from where it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loop_kit.adapters.agents import (
    COMMAND,
    DEFAULT_BACKEND,
    MANUAL,
    REGISTRY,
)
from loop_kit.adapters.agents.catalogue import KNOWN
from loop_kit.adapters.agents.command_line import Setup
from loop_kit.adapters.agents.heartbeat import BeatingAgent
from loop_kit.adapters.agents.manual import ManualAgent
from loop_kit.adapters.git.clones import (
    Cloner,
    Clones,
    CloneVerifier,
    Supply,
)
from loop_kit.adapters.git.command import Git, Identity
from loop_kit.adapters.git.in_place import InPlace
from loop_kit.adapters.git.repository import GitRepository
from loop_kit.adapters.loop_dir.guides import TEMPLATES
from loop_kit.adapters.loop_dir.loop_folder import path_in_repository
from loop_kit.adapters.loop_dir.mailbox import FolderMailbox
from loop_kit.adapters.system_clock import SystemClock
from loop_kit.core.agent import environment
from loop_kit.core.briefing.prompts import (
    REVIEWER_PLACEHOLDERS,
    WORKER_PLACEHOLDERS,
    TemplateInvalid,
    fill_template,
)
from loop_kit.core.card.scope import (
    AGENT_CONFIGURATION,
    PROTECTED_ALWAYS,
    PROTECTED_IN_CI,
    ScopeRules,
    patterns,
)
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop import policy
from loop_kit.core.loop.state import Limits, Role
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.core.record import suggestion
from loop_kit.core.sanitize import Redactor
from loop_kit.engine import Engine
from loop_kit.engine.attempt import Dispatcher
from loop_kit.engine.briefing import Briefer
from loop_kit.engine.cancellation import CancellationCheck
from loop_kit.engine.options import Options
from loop_kit.engine.publisher import Publisher
from loop_kit.engine.reviewer import ReviewerPass
from loop_kit.engine.worker import WorkerPass
from loop_kit.errors import BadSetting
from loop_kit.ports import (
    Agent,
    Forge,
    Reporter,
    Store,
    Verifier,
    Workspaces,
)
from loop_kit.ports import Guides as GuidesPort
from loop_kit.settings import Settings

_KEY_VARIABLES = (
    *("CODEX_API_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"),
    *("GITHUB_TOKEN", "GH_TOKEN"),
)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a run takes place: the repository, and folders of ours for logs and scratch."""

    git: Git
    git_dir: Path
    root: Path
    loop_dir: Path
    logs: Path
    scratch: Path
    mailboxes: Path


def agents(
    settings: Settings,
    ground: Ground,
    environ: Mapping[str, str],
    extra: Mapping[str, str],
    job: Path | None = None,
) -> dict[Role, Agent]:
    """The worker and the reviewer; `extra` is added to what both may see.

    `job` is the folder of a CI job: there each role gets homes of its own for its program, and its
    processes a namespace.

    Raises:
        BadSetting: a backend is not registered; the registered ones are named.
    """
    seen = {**environment.agent_environment(environ, settings.agent_env), **extra}
    return {role: _agent(role, settings, ground, environ, seen, job) for role in Role}


def _agent(
    role: Role,
    settings: Settings,
    ground: Ground,
    environ: Mapping[str, str],
    seen: Mapping[str, str],
    job: Path | None,
) -> Agent:
    """The backend that was named, else the first preferred one that is installed."""
    worker = role is Role.WORKER
    command = settings.worker_command if worker else settings.reviewer_command
    named = (settings.worker_backend if worker else settings.reviewer_backend).strip().lower()
    if command and not named:
        named = COMMAND
    ttl = settings.heartbeat_ttl if settings.require_heartbeat else None
    if not settings.auto_dispatch or named == MANUAL:
        return ManualAgent(ground.loop_dir, settings.timeout, ttl)
    names = (named,) if named else settings.backend_preference or (DEFAULT_BACKEND,)
    candidates = [
        _registered(name, role)(
            Setup(
                environment={
                    **seen,
                    **(_fresh_homes(job / "homes" / role.value, name, environ) if job else {}),
                    **_keys(name, settings, environ),
                },
                logs=ground.logs,
                model=settings.worker_model if worker else settings.reviewer_model,
                args=settings.worker_args if worker else settings.reviewer_args,
                command=command,
                root=ground.root,
                secrets=secrets(settings, environ),
                namespace=job is not None,
                structured=settings.structured_output,
            )
        )
        for name in names
    ]
    chosen = next((agent for agent in candidates if not agent.check()), candidates[0])
    return chosen if ttl is None else BeatingAgent(chosen, ground.loop_dir, ttl)


def _fresh_homes(folder: Path, backend: str, environ: Mapping[str, str]) -> dict[str, str]:
    """New, empty homes for one role's program, where the job does not name one itself.

    What a worker writes into its home must not steer the reviewer.
    """
    homes = KNOWN[backend].homes if backend in KNOWN else ()
    wanted = [name for name in homes if not environ.get(name)]
    made = {name: folder / name.lower() for name in wanted}
    for home in made.values():
        home.mkdir(parents=True, exist_ok=True)
    return {name: str(home) for name, home in made.items()}


def _registered(name: str, role: Role) -> Callable[[Setup], Agent]:
    factory = REGISTRY.find(name)
    if factory is not None:
        return factory
    known = (*REGISTRY.names(), MANUAL)
    raise BadSetting(
        f"Unknown backend {name!r} for the {role.value}; registered are {', '.join(known)}.",
        suggestion(name, known),
    )


def _keys(backend: str, settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The model keys of one backend, and of no other: from the settings, else as exported."""
    named = KNOWN[backend].keys if backend in KNOWN else {}
    held = {
        name: getattr(settings, setting).get_secret_value() or environ.get(name, "")
        for name, setting in named.items()
        if setting
    }
    return {name: value for name, value in held.items() if value}


def secrets(settings: Settings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Every value that must never be stored, shown or posted."""
    exported = (environ.get(name, "") for name in _KEY_VARIABLES)
    return (*settings.secrets, *filter(None, exported))


def limits(settings: Settings, card: TaskCard, *, ci: bool) -> Limits:
    """The operator's limits, lowered by the card."""
    return policy.lower_limits(settings.limits(ci=ci), card.limits)


def options(
    settings: Settings,
    card: TaskCard,
    ground: Ground,
    environ: Mapping[str, str],
    *,
    ci: bool,
) -> Options:
    """What the engine is told about this run."""
    return Options(
        dispatch_timeout=settings.dispatch_timeout or None,
        idle_timeout=settings.idle_timeout or None,
        artifact_timeout=settings.artifact_timeout,
        max_turns=settings.max_turns,
        verify_timeout=settings.verify_timeout or 24 * 3600,
        round_timeout=settings.round_timeout_minutes * 60 if ci else None,
        rules=rules(settings, card, ground.root, ci=ci),
        redact=Redactor(secrets(settings, environ)),
        draft=settings.draft,
    )


def rules(settings: Settings, card: TaskCard, root: Path, *, ci: bool) -> ScopeRules:
    """Which paths a worker may change in the repository at `root`."""
    return ScopeRules(
        out_of_scope=patterns(card.out_of_scope, _existing(root, card.out_of_scope)),
        in_scope=patterns(card.in_scope, _existing(root, card.in_scope)),
        protected=_protected(settings, ci=ci),
        strict=settings.scope == "strict",
        per_commit=ci,
    )


def _protected(settings: Settings, *, ci: bool) -> tuple[str, ...]:
    """What a worker may not change; in the user's own tree that is for the user to see."""
    if ci:
        return PROTECTED_IN_CI
    isolated = settings.isolation == "clone"
    return (*PROTECTED_ALWAYS, *(AGENT_CONFIGURATION if isolated else ()))


def _existing(root: Path, entries: tuple[str, ...]) -> frozenset[str]:
    """The entries that are paths in the repository; an entry is data, so it may be anything."""
    found = set()
    for entry in entries:
        try:
            if entry.strip() and (root / entry.strip()).exists():
                found.add(entry)
        except (OSError, ValueError):
            continue
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Parts:
    """What differs between a laptop and a CI job, and in a job that replays another's round."""

    store: Store
    agents: Mapping[Role, Agent]
    guides: GuidesPort
    isolated: bool
    identity: Identity
    environ: Mapping[str, str]
    forge: Forge | None = None
    workspaces: Workspaces | None = None
    verifier: Verifier | None = None
    dispatcher: Callable[..., Dispatcher] = Dispatcher
    supply: Supply | None = None
    base_sha: str = ""


def engine(ground: Ground, parts: Parts, reporter: Reporter, run_options: Options) -> Engine:
    """An engine for one run.

    Raises:
        BadSetting: a template names an unknown placeholder.
    """
    _check_templates(parts.guides)
    clock = SystemClock()
    repository = GitRepository(ground.git)
    cloner = Cloner(ground.git, ground.git_dir, ground.scratch, parts.supply, parts.base_sha)
    workspaces = parts.workspaces or _workspaces(ground, parts, cloner)
    verifier = parts.verifier or CloneVerifier(cloner, environment.agent_environment(parts.environ))
    dispatcher = parts.dispatcher(
        parts.agents,
        FolderMailbox(ground.mailboxes),
        parts.guides,
        clock,
        reporter,
        run_options,
        ground.scratch,
    )
    briefer = Briefer(parts.store, repository, parts.guides)
    worker = WorkerPass(
        dispatcher, workspaces, verifier, repository, parts.store, briefer, run_options
    )
    publisher, cancellation = None, None
    if parts.forge is not None:
        cancellation = CancellationCheck(parts.forge, reporter)
        publisher = Publisher(parts.forge, parts.store, reporter, run_options, worker.diff)
    return Engine(
        store=parts.store,
        verifier=verifier,
        agents=parts.agents,
        worker=worker,
        reviewer=ReviewerPass(dispatcher, workspaces, repository, parts.store, briefer),
        clock=clock,
        reporter=reporter,
        options=run_options,
        publisher=publisher,
        cancellation=cancellation,
    )


def _workspaces(ground: Ground, parts: Parts, cloner: Cloner) -> Workspaces:
    if parts.isolated:
        return Clones(cloner, parts.identity)
    folder = path_in_repository(ground.loop_dir, ground.root) or LOOP_DIR
    return InPlace(ground.git, ground.root, folder, parts.identity)


def _check_templates(guides: GuidesPort) -> None:
    known = {Role.WORKER: WORKER_PLACEHOLDERS, Role.REVIEWER: REVIEWER_PLACEHOLDERS}
    for role, names in known.items():
        try:
            fill_template(guides.guidance(role).template, dict.fromkeys(names, ""))
        except TemplateInvalid as error:
            raise BadSetting(
                f"{TEMPLATES[role]}: {error}.", f"Known are: {', '.join(names)}."
            ) from None
