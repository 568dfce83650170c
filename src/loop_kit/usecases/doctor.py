"""Whether a loop can run here, and what to type where it cannot. Changes nothing."""

import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from loop_kit.adapters.agents.built_in import REGISTRY
from loop_kit.adapters.agents.catalogue import KNOWN
from loop_kit.adapters.agents.probe import Surroundings, probe
from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import Place, locate
from loop_kit.adapters.loop_dir.loop_folder import loop_folder, repository_root
from loop_kit.adapters.workspaces.watch import Watch
from loop_kit.bootstrap import Site, agents_of
from loop_kit.bootstrap.confinement import rooms_of
from loop_kit.config_file import NAMES
from loop_kit.core.agent import environment
from loop_kit.core.agent.checkup import Check, CheckState, printable, version_in, version_text
from loop_kit.core.agent.role import Role
from loop_kit.core.agent.systems import system_name, system_text
from loop_kit.core.card.enforced import accept_card
from loop_kit.core.secrets.redaction import Redactor
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import LoopError, NotARepository
from loop_kit.frozen import frozen
from loop_kit.settings import Settings, for_laptop, known_secrets
from loop_kit.usecases.github_checks import check_waits
from loop_kit.usecases.github_token import exported_token
from loop_kit.usecases.local_files import find_card, load_card, read_config

OLDEST_GIT = (2, 32, 0)
"""GIT_CONFIG_GLOBAL came with it, by which a clone is kept from the user's configuration."""

_INSTALL_GIT = "install git 2.32 or newer: https://git-scm.com/downloads"


_CREDENTIAL = (
    "in a job add `persist-credentials: false` to actions/checkout; elsewhere use a credential"
    " helper: git help gitcredentials"
)


@frozen
class Examination:
    """Every check, and which backend each role has; nothing in it is secret or hidden."""

    checks: Sequence[Check]
    roles: Mapping[str, str]


def examine(
    cwd: Path, environ: Mapping[str, str], loop_dir: str, flags: Mapping[str, object]
) -> Examination:
    """Check what a run with the default card would need; changes nothing."""
    root = repository_root(cwd)
    folder = loop_folder(root, loop_dir)
    git = Git(cwd, environ)
    checks = [*_system(), _python(), *_git(git), _folder(folder)]
    found, settings = _settings(folder, environ, flags)
    checks += found
    roles: Mapping[str, str] = {}
    if not any(check.is_blocking for check in found):
        site = Site.on_laptop(git, Place(root, root / ".git", "", ""), environ, folder)
        chosen, roles = _roles(site, settings)
        checks += [*chosen, _sandbox(site, settings)]
    checks += check_waits(root)
    if exported_token(environ):
        from loop_kit.usecases.doctor_rules import check_rules

        checks += check_rules(git.at(root), environ, settings.branch_prefix)
    checks += _programs(settings, root, environ, _needed(settings, roles))
    redact = Redactor((*known_secrets(settings, environ).values(), *_exported_secrets(environ)))
    safe = [
        printable(replace(check, detail=redact(check.detail), fix=redact(check.fix)))
        for check in checks
    ]
    return Examination(safe, {role: one_line(name) for role, name in roles.items()})


def _exported_secrets(environ: Mapping[str, str]) -> list[str]:
    """What is exported under a name that secrets have, unless it is the path of a key's file."""
    endings = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
    named = [value for name, value in environ.items() if name.upper().endswith(endings)]
    return [value for value in named if not os.path.lexists(value)]


def _system() -> Iterator[Check]:
    """What differs on another system than Linux."""
    name = system_name(sys.platform)
    if name is not None:
        fix = "for all that Linux has, use a container or WSL: docs/laptop.md"
        yield Check("system", CheckState.WARN, system_text(name), fix, needed=False)


def _python() -> Check:
    return Check("python", CheckState.OK, f"{platform.python_version()}, {sys.executable}")


def _git(git: Git) -> list[Check]:
    """Git, and the repository when there is a git to ask."""
    try:
        printed = git.text("version")
    except (LoopError, OSError) as error:
        return [Check("git", CheckState.MISSING, str(error), _INSTALL_GIT)]
    version = version_in(printed)
    if version is None:
        detail = f"of unknown version (it printed {printed[:60]!r})"
        return [Check("git", CheckState.WARN, detail, _INSTALL_GIT), *_repository(git)]
    if version < OLDEST_GIT:
        detail = f"{version_text(version)} is older than {version_text(OLDEST_GIT)}"
        return [Check("git", CheckState.WRONG, detail, _INSTALL_GIT), *_repository(git)]
    return [Check("git", CheckState.OK, version_text(version)), *_repository(git)]


def _repository(git: Git) -> Iterator[Check]:
    try:
        place = locate(git)
    except NotARepository as error:
        yield Check("repository", CheckState.MISSING, error.sentence, error.remedy)
    except LoopError as error:
        yield Check("repository", CheckState.WRONG, error.sentence, error.remedy)
    else:
        where = f"{place.root}, at {place.head[:12]} of {place.branch}"
        yield Check("repository", CheckState.OK, where)
        for path in Watch({}, place.git_dir).credentials():
            detail = f"{path} holds one, which agents can read"
            yield Check("credential", CheckState.WARN, detail, _CREDENTIAL)


def _folder(folder: Path) -> Check:
    """Whether everything that a run writes below the loop's folder can be written."""
    if os.path.lexists(folder) and not folder.is_dir():
        return Check(
            "loop folder", CheckState.WRONG, f"{folder} is not a folder", f"mv {folder} {folder}~"
        )
    if not folder.exists():
        parent = next(path for path in folder.parents if path.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            return Check(
                "loop folder", CheckState.WRONG, f"{parent} cannot be written", _own(parent)
            )
        return Check("loop folder", CheckState.WARN, f"{folder} is not there yet", "loop init")
    inner = [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir()]
    for path in (folder, *sorted(inner), folder / "lock"):
        needed = os.W_OK | (os.X_OK if path.is_dir() else 0)
        if path.exists() and not os.access(path, needed):
            return Check("loop folder", CheckState.WRONG, f"{path} cannot be written", _own(folder))
    return Check("loop folder", CheckState.OK, str(folder))


def _own(path: Path) -> str:
    return f'sudo chown -R "$(id -u)" {path} && chmod -R u+rwX {path}'


def _settings(
    folder: Path, environ: Mapping[str, str], flags: Mapping[str, object]
) -> tuple[list[Check], Settings]:
    """The settings of a run with the default card, and what is wrong with their sources."""
    checks: list[Check] = []
    try:
        config, card = read_config(folder), None
        path = find_card(folder, folder, "")
        if os.path.lexists(path):
            card = accept_card(load_card(path), str(path))
            checks.append(Check("task card", CheckState.OK, f"{card.task_id}, {path}"))
        settings = for_laptop(environ, flags).resolve(config.layer, card)
    except (LoopError, OSError) as error:
        sentence, remedy = (
            (error.sentence, error.remedy)
            if isinstance(error, LoopError)
            else (f"{error.filename} cannot be read: {error.strerror}", f"chmod u+r {folder}/*")
        )
        return [*checks, Check("settings", CheckState.WRONG, sentence, remedy)], Settings()
    detail = config.path or f"defaults, since there is no {folder / NAMES[0]}"
    return [Check("settings", CheckState.OK, detail), *checks], settings


def _roles(site: Site, settings: Settings) -> tuple[list[Check], Mapping[str, str]]:
    """Who plays each role in a run with --auto-dispatch, chosen as that run chooses."""
    asked = settings.model_copy(update={"auto_dispatch": True})
    try:
        agents = agents_of(site, asked)
        chosen = {role.value: agent for role, agent in agents.items()}
        problems = {agent.name: agent.check() for agent in agents.values()}
    except LoopError as error:
        return [Check("agents", CheckState.WRONG, error.sentence, error.remedy)], {}
    except Exception as error:  # a backend of somebody else's may raise anything
        detail = f"a backend failed: {type(error).__name__}: {error}"
        fix = "fix the package that provides it, or choose another backend"
        return [Check("agents", CheckState.WRONG, detail, fix)], {}
    roles = {role: agent.name for role, agent in chosen.items()}
    needed, fix = _needed(settings, roles), "put it on PATH, or choose another backend"
    checks = [
        Check(name, CheckState.MISSING, problem, fix, needed=name in needed)
        if problem
        else Check(name, CheckState.OK, "chosen; nothing more is known to check")
        for name, problem in problems.items()
        if name not in KNOWN
    ]
    return checks, roles


def _sandbox(site: Site, settings: Settings) -> Check:
    """How a run here would confine its programs; it is tried, since nothing else says so."""
    try:
        found = rooms_of(site, settings).confinement()
    except LoopError as error:
        return Check("sandbox", CheckState.WRONG, error.sentence, error.remedy)
    if found.missing:
        return Check("sandbox", CheckState.WARN, f"{found.text}. {found.missing}")
    return Check("sandbox", CheckState.OK, found.text)


def _needed(settings: Settings, roles: Mapping[str, str]) -> set[str]:
    """The backends without which no loop runs: an optional second reviewer is not among them."""
    is_optional = settings.second_reviewer_mode == "optional"
    spared = Role.SECOND_REVIEWER.value if is_optional else None
    return {name for role, name in roles.items() if role != spared}


def _programs(
    settings: Settings, root: Path, environ: Mapping[str, str], used: set[str]
) -> list[Check]:
    """The programs that we know, and the names of the other backends."""
    plain = environment.agent_environment(environ)
    checks: list[Check] = []
    for name in REGISTRY.names():
        known = KNOWN.get(name)
        if known is None:
            if name not in used:
                checks.append(
                    Check(name, CheckState.OK, "registered, no check known", needed=False)
                )
            continue
        seen = {**environment.agent_environment(environ, settings.agent_env)}
        for variable, setting in known.keys.items():
            held = getattr(settings, setting).get_secret_value() if setting else ""
            if held or (setting and environ.get(variable)):
                seen[variable] = held or environ[variable]
        looked = probe(known, Surroundings(plain, seen, environ, root))
        checks += [replace(check, needed=name in used) for check in looked]
    return checks
