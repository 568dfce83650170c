"""Another backend for a role, because a person asked for it: `/loop retry with claude`.

The model and the arguments of the settings are for the backend of the settings; another one is
started with its own defaults.
"""

from collections.abc import Callable, Iterable, Mapping

from loop_kit import bootstrap
from loop_kit.adapters.agents.built_in import COMMAND, DEFAULT_BACKEND, MANUAL, REGISTRY
from loop_kit.adapters.agents.catalogue import KNOWN
from loop_kit.bootstrap import Site
from loop_kit.core.agent.role import Role
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.resuming import retried_role
from loop_kit.core.loop.state import LoopState
from loop_kit.core.text.harmless import code, inline
from loop_kit.errors import LoopError
from loop_kit.settings import Settings


def backends_after(recorded: LoopState, commands: Iterable[Command]) -> dict[str, str]:
    """The backends, by role, that people have asked for once `commands` are carried out."""
    asked = {
        retried_role(recorded, command).value: command.backend
        for command in commands
        if command.backend and command.comment not in recorded.handled_commands
    }
    return {**recorded.retry_with, **asked}


def for_fresh_round(
    site: Site, settings: Settings, recorded: LoopState, warn: Callable[[str], None]
) -> Settings:
    """The settings, with the worker of a fresh round where a rule names one.

    One that cannot run here is no reason to lose the round: it is done by the usual worker.
    """
    name = recorded.limits.rules.stalled.backend
    if not (recorded.fresh_round and name):
        return settings
    problem = backend_problem(site, settings, Role.WORKER, name)
    if problem is None:
        return with_backends(settings, {Role.WORKER.value: name})
    warn(f"The worker of the fresh round is the usual one, not that of stalled.backend: {problem}")
    return settings


def with_backends(settings: Settings, backends: Mapping[str, str]) -> Settings:
    """The settings with these backends, by role."""
    changes: dict[str, object] = {}
    second = backends.get(Role.SECOND_REVIEWER.value, "")
    if second and settings.second_reviewer:
        changes["second_reviewer"] = second
    for role in (Role.WORKER, Role.REVIEWER):
        name = backends.get(role.value, "")
        if name and name != _configured(settings, role):
            plain = {"backend": name, "model": "", "args": ()}
            changes |= {f"{role.value}_{key}": value for key, value in plain.items()}
    return settings.model_copy(update=changes)


def backend_problem(site: Site, settings: Settings, role: Role, name: str) -> str | None:
    """Why the backend `name` cannot play `role` here, harmless in a comment."""
    where = "in this job" if site.job else "here"
    known = tuple(each for each in REGISTRY.names() if each != MANUAL)
    listed = ", ".join(f"`{each}`" for each in known)
    if name not in known:
        unknown = "of this job" if site.job else "that is known here"
        return f"{code(name)} is no backend {unknown}. Known are {listed}."
    if role is Role.SECOND_REVIEWER and not settings.second_reviewer:
        return "This loop has no second reviewer: set the input `second-reviewer` first."
    other = with_backends(settings, {role.value: name})
    try:
        missing = bootstrap.agents_of(site, other)[role].check()
    except LoopError as error:
        missing = str(error)
    if missing:
        return f"{code(name)} cannot run {where}: {inline(missing)}"
    keys = _missing_keys(site, other, name) if site.job else ()
    if keys:
        inputs = " or ".join(f"`{key}`" for key in keys)
        return f"{code(name)} has no key in this job: pass {inputs} in the workflow first."
    return None


def _configured(settings: Settings, role: Role) -> str:
    """The backend of `role` in the settings, by itself or by default."""
    worker = role is Role.WORKER
    name = (settings.worker_backend if worker else settings.reviewer_backend).strip().lower()
    command = settings.worker_command if worker else settings.reviewer_command
    default = (*settings.backend_preference, DEFAULT_BACKEND)[0]
    return name or (COMMAND if command else default)


def _missing_keys(site: Site, settings: Settings, name: str) -> tuple[str, ...]:
    """The inputs of which one is needed, where this job gives the backend no key at all."""
    program = KNOWN.get(name)
    if program is None:
        return ()
    inputs = {setting for setting in program.keys.values() if setting}
    given = any(getattr(settings, setting).get_secret_value() for setting in inputs)
    exported = any(site.environ.get(each) for each in (*program.keys, *program.homes))
    return () if given or exported else tuple(sorted(each.replace("_", "-") for each in inputs))
