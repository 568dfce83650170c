"""Chooses the backend that plays each role: the one that is named, else the first installed."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from loop_kit.adapters.agents.built_in import COMMAND, DEFAULT_BACKEND, MANUAL, REGISTRY, SCRIPTED
from loop_kit.adapters.agents.catalogue import KNOWN
from loop_kit.adapters.agents.command_line import Box, Setup
from loop_kit.adapters.agents.own_home import HOMES, Homes, HomesPlace, OwnHome
from loop_kit.adapters.agents.second_reviewer import choose_second_reviewer
from loop_kit.adapters.process.programs import absolute_path
from loop_kit.core.agent import environment
from loop_kit.core.agent.role import Role
from loop_kit.core.record import suggestion
from loop_kit.errors import BadSetting
from loop_kit.ports import Agent
from loop_kit.settings import Settings, known_secrets


def choose_agents(
    settings: Settings,
    environ: Mapping[str, str],
    extra: Mapping[str, str],
    *,
    loop_dir: Path,
    logs: Path,
    root: Path,
    homes: HomesPlace,
    uncommitted: Callable[[], Sequence[str]],
    box: Box,
    kept: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> dict[Role, Agent]:
    """The agents by role; all see `extra` beside what `environ` may give them.

    Each role gets homes of its own for its program in `homes`. `uncommitted` names the files that
    a person has not committed yet, `box` is what each program runs in, and `kept` is entered
    meanwhile.

    Raises:
        BadSetting: a backend is not registered; the registered ones are named.
    """
    visible = _visible(settings, environ, extra)
    chosen: dict[Role, Agent] = {}
    setup = partial(_setup, settings, environ, visible, logs=logs, root=root)
    setup = partial(setup, homes=homes, box=box, kept=kept)
    for role in (Role.WORKER, Role.REVIEWER):
        name = _backend_name(role, settings)
        ttl = settings.heartbeat_ttl if settings.require_heartbeat else None
        if is_manual(role, settings):
            chosen[role] = _person(loop_dir, settings.timeout, ttl, uncommitted)
            continue
        candidates = [
            _factory(backend, role)(setup(role, backend))
            for backend in ((name,) if name else settings.backend_preference or (DEFAULT_BACKEND,))
        ]
        agent = next((each for each in candidates if not each.check()), candidates[0])
        chosen[role] = agent if ttl is None else _beating(agent, loop_dir, ttl)
    if settings.second_reviewer:
        role, first = Role.SECOND_REVIEWER, chosen[Role.REVIEWER].name
        chosen[role] = choose_second_reviewer(settings, first, partial(setup, role), _factory)
    return chosen


def _person(
    loop_dir: Path, timeout: float, ttl: float | None, uncommitted: Callable[[], Sequence[str]]
) -> Agent:
    from loop_kit.adapters.agents.manual import ManualAgent

    return ManualAgent(loop_dir, timeout, ttl, uncommitted)


def _beating(agent: Agent, loop_dir: Path, ttl: float) -> Agent:
    from loop_kit.adapters.agents.heartbeat import BeatingAgent

    return BeatingAgent(agent, loop_dir, ttl)


def _visible(
    settings: Settings, environ: Mapping[str, str], extra: Mapping[str, str]
) -> dict[str, str]:
    """The part of `environ` that every agent sees, and `extra`."""
    withheld = settings.setup_env
    allowed = environment.agent_environment(environ, settings.agent_env, withheld=withheld)
    visible = {**allowed, **extra}
    if "PATH" in visible:
        visible["PATH"] = absolute_path(visible["PATH"])
    return visible


def is_manual(role: Role, settings: Settings) -> bool:
    """Whether a person plays this role."""
    return not settings.auto_dispatch or _backend_name(role, settings) == MANUAL


def _backend_name(role: Role, settings: Settings) -> str | None:
    """The backend that the settings name for a role, if any."""
    worker = role is Role.WORKER
    name = (settings.worker_backend if worker else settings.reviewer_backend).strip().lower()
    command = settings.worker_command if worker else settings.reviewer_command
    return name or (COMMAND if command else None)


def _setup(
    settings: Settings,
    environ: Mapping[str, str],
    visible: Mapping[str, str],
    role: Role,
    backend: str,
    *,
    logs: Path,
    root: Path,
    homes: HomesPlace,
    kept: Callable[[], AbstractContextManager[None]],
    box: Box,
) -> Setup:
    worker = role is Role.WORKER
    lends = settings.network == "open"
    setup = Setup(
        environment={**visible, **_keys(backend, settings, environ)},
        logs=logs,
        model=settings.worker_model if worker else settings.reviewer_model,
        args=settings.worker_args if worker else settings.reviewer_args,
        command=settings.worker_command if worker else settings.reviewer_command,
        root=root,
        secrets=tuple(known_secrets(settings, environ).values()),
        box=box,
        homes=_homes(role, backend, environ, homes, lends=lends),
        structured=settings.structured_output,
        kept=kept,
    )
    return _with_network(setup, backend, settings)


def _with_network(setup: Setup, backend: str, settings: Settings) -> Setup:
    """The set-up of a program that reaches what `network` says."""
    if settings.network == "open" or (settings.network != "none" and backend == SCRIPTED):
        return setup
    from loop_kit.adapters.agents.model_access import NoModel, model_access, refuse_no_network

    if settings.network == "none":
        return replace(setup, refusal=refuse_no_network(backend))
    access = model_access(backend, setup.environment, setup.model, setup.args)
    if isinstance(access, NoModel):
        return replace(setup, refusal=access.why)
    args = (*access.args, *setup.args)
    return replace(setup, environment=access.environment, args=args, upstream=access.upstream)


def _homes(
    role: Role, backend: str, environ: Mapping[str, str], place: HomesPlace, *, lends: bool
) -> Homes:
    """Where a program keeps its login and conversations, for its loop and role."""
    if backend not in KNOWN:
        return Homes()
    folder, others = place.folder / place.task_id, dict[str, str]()
    if place.in_job:
        named = [environ.get(own.variable) for own in KNOWN[backend].folders]
        folder = Path(named[0]) / HOMES / place.task_id if named[0] else folder
        others = _make_homes(place.folder / role.value, backend, environ)
    home = OwnHome(backend, folder / role.value, environ, copies=not place.in_job, lends=lends)
    return Homes(home, place.applies, others)


def _make_homes(folder: Path, backend: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Create empty homes for one role's program, unless the job sets them itself.

    What a worker writes into its home must not influence the reviewer.
    """
    homes = KNOWN[backend].homes if backend in KNOWN else ()
    folders = {name: folder / name.lower() for name in homes if not environ.get(name)}
    for home in folders.values():
        home.mkdir(parents=True, exist_ok=True)
    return {name: str(home) for name, home in folders.items()}


def _factory(name: str, role: Role) -> Callable[[Setup], Agent]:
    factory = REGISTRY.find(name)
    if factory is not None:
        return factory
    known = (*REGISTRY.names(), MANUAL)
    raise BadSetting(
        f"Unknown backend {name!r} for the {role.words}; registered are {', '.join(known)}.",
        suggestion(name, known),
        anchor="backend-unknown",
    )


def _keys(backend: str, settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The model keys of this backend alone: from the settings, else from the environment."""
    variables = KNOWN[backend].keys if backend in KNOWN else {}
    values = {
        name: getattr(settings, setting).get_secret_value() or environ.get(name, "")
        for name, setting in variables.items()
        if setting
    }
    return {name: value for name, value in values.items() if value}
