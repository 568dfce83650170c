"""One door to an engine: its adapters follow from the settings and from where it runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from loop_kit.adapters.agents.choice import (
    choose_agents,
    is_manual,
)
from loop_kit.adapters.agents.own_home import HomesPlace
from loop_kit.adapters.agents.prices import add_estimate
from loop_kit.adapters.agents.second_reviewer import (
    models,
    report_same_model,
)
from loop_kit.adapters.git.command import (
    ANONYMOUS,
    Identity,
    committer,
)
from loop_kit.adapters.git.repository import GitRepository
from loop_kit.adapters.git.work_tree import read_status
from loop_kit.adapters.loop_dir.mailbox import FolderMailbox
from loop_kit.adapters.loop_dir.run_record import RunRecord
from loop_kit.adapters.process.room.rooms import Rooms, remove_leftovers
from loop_kit.adapters.system_clock import SystemClock
from loop_kit.adapters.workspaces.cloner import Cloner
from loop_kit.adapters.workspaces.clones import Clones
from loop_kit.adapters.workspaces.own_repository import OwnRepository
from loop_kit.adapters.workspaces.preparation import choose_preparation
from loop_kit.adapters.workspaces.snapshots import Snapshots
from loop_kit.adapters.workspaces.user_tree import (
    UserTree,
    WorkspacesByRole,
)
from loop_kit.adapters.workspaces.verifier import CloneVerifier
from loop_kit.adapters.workspaces.watch import Watch
from loop_kit.adapters.workspaces.workplace import Workplace
from loop_kit.bootstrap.confinement import rooms_of
from loop_kit.bootstrap.guidance import guides_of
from loop_kit.bootstrap.hearers import hearers_of, record_of
from loop_kit.bootstrap.site import Site
from loop_kit.core.agent import environment
from loop_kit.core.agent.role import Role
from loop_kit.core.card.scope import (
    AGENT_CONFIGURATION,
    PROTECTED_ALWAYS,
    PROTECTED_IN_CI,
    ScopeRules,
    patterns,
)
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop import policy
from loop_kit.core.loop.state import (
    Limits,
    Outcome,
)
from loop_kit.core.secrets.forms import Forms
from loop_kit.core.secrets.redaction import Redactor
from loop_kit.engine import Engine
from loop_kit.engine.attempt import Dispatcher
from loop_kit.engine.briefing import Briefer
from loop_kit.engine.groundwork import Groundwork
from loop_kit.engine.options import Options
from loop_kit.engine.reviewer import ReviewerPass
from loop_kit.engine.worker import WorkerPass
from loop_kit.frozen import frozen
from loop_kit.ports import (
    Agent,
    Forge,
    Reporter,
    Sandbox,
    Store,
    Verifier,
    Workspaces,
)
from loop_kit.settings import (
    Settings,
    known_secrets,
)

if TYPE_CHECKING:
    from loop_kit.core.ci.bundle import Bundle
    from loop_kit.engine.cancellation import CancellationCheck
    from loop_kit.engine.checks import ChecksReader


__all__ = [
    "Replay",
    "Site",
    "agents_of",
    "checks_reader",
    "limits",
    "open_loop",
    "options",
    "scope_rules",
]


@frozen
class Replay:
    """A round that another job's agents have done; `work_tip` is where its work branch began.

    `start_sha` is the commit at which its verify commands ran before it.
    """

    bundle: "Bundle"
    work_tip: str
    start_sha: str = ""


@frozen
class _Ports:
    """What a run has that a replay of another job's round replaces."""

    store: Store
    agents: Mapping[Role, Agent]
    sandbox: Sandbox
    workspaces: Workspaces
    verifier: Verifier


def open_loop(
    site: Site,
    settings: Settings,
    card: TaskCard,
    store: Store,
    reporter: Reporter,
    *,
    forge: Forge | None = None,
    base_sha: str = "",
    replay: Replay | None = None,
    rules: Forge | None = None,
) -> Engine:
    """The engine of one run; without a `forge` what is to be posted stays outstanding.

    `base_sha` is the commit from which a job reads what it trusts. `rules` is asked for those of
    the base branch, where there is no `forge`.

    Raises:
        BadSetting: a backend is not registered, or a template names an unknown placeholder.
    """
    clock = SystemClock()
    run_options = options(site, settings, card, replays=replay is not None)
    record = record_of(site, settings, run_options, clock, replays=replay is not None)
    hearers = hearers_of(site, settings, clock, reporter, run_options, record)
    guides = guides_of(site, base_sha, clock, hearers)
    ports = _ports(site, settings, card, store, base_sha, replay, hearers, record)
    report_same_model(settings, ports.agents, hearers)
    repository = GitRepository(site.git, site.supply.obtain)
    served = (ports.agents, FolderMailbox(site.mailboxes), guides, clock, hearers, run_options)
    failure = replay.bundle.failure if replay else None
    dispatcher = Dispatcher(*served, site.scratch, failure, record)
    shared = (repository, ports.store, Briefer(ports.store, repository, guides))
    worker = WorkerPass(dispatcher, ports.workspaces, ports.verifier, *shared, run_options)
    if posts := (forge, ports.store, hearers, run_options, worker.diff) if forge else None:
        from loop_kit.engine.publisher import Publisher
    before = (ports.sandbox, ports.workspaces, ports.verifier, clock, hearers, run_options)
    groundwork = Groundwork(*before, site.base_branch, forge or rules)
    return Engine(
        store=ports.store,
        groundwork=groundwork,
        agents=ports.agents,
        worker=worker,
        reviewer=ReviewerPass(dispatcher, ports.workspaces, *shared, groundwork.look),
        clock=clock,
        reporter=hearers,
        options=run_options,
        publisher=Publisher(*posts, _names(ports, replay)) if posts else None,
        cancellation=_cancellation(forge, hearers) if forge else None,
        checks=checks_reader(site, settings, forge, hearers) if forge else None,
    )


def _cancellation(forge: Forge, reporter: Reporter) -> "CancellationCheck":
    from loop_kit.engine.cancellation import CancellationCheck

    return CancellationCheck(forge, reporter)


def _names(ports: _Ports, replay: Replay | None) -> Mapping[Role, str]:
    """What works in each role, as far as it is known here."""
    if replay:
        return {role: replay.bundle.name(role) for role in ports.agents}
    return {role: agent.name for role, agent in ports.agents.items()}


def checks_reader(
    site: Site, settings: Settings, forge: Forge, reporter: Reporter
) -> "ChecksReader":
    """What reads checks, and leaves out those of the workflows that run loops."""
    from loop_kit.adapters.runner.job import workflow_file
    from loop_kit.engine.checks import ChecksReader

    running = workflow_file(site.environ.get("GITHUB_WORKFLOW_REF", ""))
    own = {running, settings.continue_workflow} - {""}
    return ChecksReader(forge, SystemClock(), reporter, own)


def limits(settings: Settings, card: TaskCard, *, ci: bool) -> Limits:
    """The operator's limits, lowered by the card."""
    return policy.lower_limits(settings.limits(ci=ci), card.limits)


def options(site: Site, settings: Settings, card: TaskCard, *, replays: bool = False) -> Options:
    """What the engine is given about this run; one that replays another names no models."""
    secrets = Forms(known_secrets(settings, site.environ))
    return Options(
        dispatch_timeout=settings.dispatch_timeout or None,
        idle_timeout=settings.idle_timeout or None,
        artifact_timeout=settings.artifact_timeout,
        max_turns=settings.max_turns,
        verify_timeout=settings.verify_timeout or 24 * 3600,
        round_timeout=settings.round_timeout_minutes * 60 if site.is_ci else None,
        rules=scope_rules(settings, card, site.place.root, ci=site.is_ci),
        secrets=secrets,
        redact=Redactor(secrets),
        draft=settings.draft,
        sign_off=str(_identity(site, settings)) if settings.sign_off else "",
        models=models(settings) if not replays else {},
        runs_code=settings.phase != "claim",
        keeps_record=settings.record != "off",
        estimate=add_estimate,
    )


def scope_rules(settings: Settings, card: TaskCard, root: Path, *, ci: bool) -> ScopeRules:
    """Which paths a worker may change in the repository at `root`."""
    return ScopeRules(
        out_of_scope=patterns(card.out_of_scope, _existing(root, card.out_of_scope)),
        in_scope=patterns(card.in_scope, _existing(root, card.in_scope)),
        protected=_protected_paths(settings, ci=ci),
        strict=settings.scope == "strict",
        per_commit=ci,
    )


def agents_of(site: Site, settings: Settings) -> dict[Role, Agent]:
    """The agents of a run here.

    Raises:
        BadSetting: a backend is not registered; the registered ones are named.
    """
    return _agents(site, settings, _identity(site, settings), rooms_of(site, settings))


def _agents(
    site: Site,
    settings: Settings,
    identity: Identity,
    rooms: Rooms,
    kept: Callable[[], AbstractContextManager[None]] = nullcontext,
    task_id: str = "",
) -> dict[Role, Agent]:
    return choose_agents(
        settings,
        site.environ,
        identity.environment(),
        loop_dir=site.loop_dir,
        logs=site.logs,
        root=site.place.root,
        homes=HomesPlace(site.homes, task_id, site.is_ci, lambda: site.is_ci or rooms.has_room),
        uncommitted=lambda: read_status(site.git, site.name_in_repository).tracked,
        kept=kept,
        box=rooms.agent,
    )


def _ports(
    site: Site,
    settings: Settings,
    card: TaskCard,
    store: Store,
    base_sha: str,
    replay: Replay | None,
    reporter: Reporter,
    record: RunRecord,
) -> _Ports:
    if replay:
        return _replay_ports(site, store, replay)
    if site.is_ci:
        from loop_kit.adapters.modules import import_everything

        import_everything()
    remove_leftovers()
    site.space.select(settings.workspace_root, card.task_id)
    cloner = Cloner(site.git, site.place.git_dir, site.space, site.supply, base_sha)
    identity = _identity(site, settings)
    rooms = rooms_of(site, settings)
    watch = _watch(site, rooms, reporter)
    agents = _agents(site, settings, identity, rooms, watch, card.task_id)
    seen = environment.agent_environment(site.environ, withheld=settings.setup_env)
    base = base_sha or site.place.head
    preparation = choose_preparation(
        settings,
        site.environ,
        seen,
        site.git,
        site.place.root,
        base,
        site.logs,
        reporter,
        in_job=site.is_ci,
        kept=watch,
        box=rooms.setup,
    )
    workplace = Workplace(Snapshots(cloner, preparation))
    clones = Clones(workplace, identity, settings.max_leftovers)
    people = UserTree(site.git, site.place.root)
    chosen: dict[Role, Workspaces] = {
        role: clones if agent.is_program else people for role, agent in agents.items()
    }
    verifier = CloneVerifier(workplace, seen, rooms.verify, watch, record.verify_log)
    return _Ports(store, agents, rooms, WorkspacesByRole(chosen), verifier)


def _watch(
    site: Site, rooms: Rooms, reporter: Reporter
) -> Callable[[], AbstractContextManager[None]]:
    """What is entered while a program runs: it keeps our repository, and in a job other files."""
    if not site.is_ci:
        return OwnRepository(site.place.git_dir).kept
    repository = OwnRepository(site.place.git_dir, site.place.head, site.supply.refetch)
    watch = Watch(site.environ, site.place.git_dir, has_room=lambda: rooms.has_room)
    for path in watch.credentials():
        reporter.warn(
            f"{path} holds a credential; it is hidden while agents run."
            " Add `persist-credentials: false` to actions/checkout."
        )

    from loop_kit.adapters.workspaces.own_code import OwnCode

    code = OwnCode.of_action()

    @contextmanager
    def kept() -> Iterator[None]:
        unchanged = nullcontext() if code is None or rooms.has_room else code.kept()
        with watch.kept(), repository.kept(), unchanged:
            yield

    return kept


def _replay_ports(site: Site, store: Store, replay: Replay) -> _Ports:
    """Ports that run nothing and give what the bundle holds."""
    from loop_kit.adapters import replay as replayed

    bundle = replay.bundle
    interrupted = bundle.outcome is Outcome.INTERRUPTED
    agents = {
        role: replayed.ReplayedAgent(
            *(bundle.report(role), bundle.spent.of(role)),
            interrupted=interrupted,
            name=bundle.name(role) or "replayed",
            passes=bundle.passes_of(role),
        )
        for role in Role
    }
    return _Ports(
        store=replayed.LateStore(store, replay.work_tip, bundle.refused_files()),
        agents=agents,
        sandbox=replayed.ReplayedSandbox(bundle),
        workspaces=replayed.ReplayedWorkspaces(site.scratch / "replayed", bundle),
        verifier=replayed.ReplayedVerifier(bundle, {replay.work_tip, replay.start_sha}),
    )


def _identity(site: Site, settings: Settings) -> Identity:
    """Who commits for agents: the job's own identity, or the user's.

    Raises:
        BadSetting: git would refuse to commit as the user, and not only people work.
    """
    if site.is_ci:
        return Identity()
    has_programs = not all(is_manual(role, settings) for role in Role)
    return committer(site.git) if has_programs else ANONYMOUS


def _protected_paths(settings: Settings, *, ci: bool) -> tuple[str, ...]:
    """What a worker may not change; a person who works here may configure their agents."""
    if ci:
        return PROTECTED_IN_CI
    trusted = is_manual(Role.WORKER, settings)
    return PROTECTED_ALWAYS if trusted else (*PROTECTED_ALWAYS, *AGENT_CONFIGURATION)


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
