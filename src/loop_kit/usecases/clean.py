"""Removes the workspaces that loops of this repository have left on this machine."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import locate
from loop_kit.adapters.loop_dir.file_store import FileStore
from loop_kit.adapters.loop_dir.loop_folder import loop_folder
from loop_kit.adapters.workspaces.root import (
    job_roots,
    laptop_roots,
    named_root,
    repository_key,
)
from loop_kit.adapters.workspaces.space import (
    Marker,
    closed_folders,
    folders_below,
    not_removed,
    remove_refs,
    remove_unused,
)
from loop_kit.adapters.workspaces.takeover import incoming_ref, incoming_refs
from loop_kit.adapters.workspaces.workplace import OPENED
from loop_kit.core.loop.state import Phase
from loop_kit.errors import DiskRefused, LoopError
from loop_kit.frozen import frozen
from loop_kit.settings import for_laptop
from loop_kit.usecases.local_files import read_config


class Fate(StrEnum):
    """What became of a folder."""

    REMOVED = "removed"
    LEFT = "not removed"
    IN_USE = "in use"
    RESUMABLE = "can be resumed"


@frozen
class Cleaned:
    """One folder of workspaces, and what became of it."""

    path: Path
    task_id: str
    fate: Fate


def clean_workspaces(
    cwd: Path,
    environ: Mapping[str, str],
    loop_dir: str,
    flags: Mapping[str, object],
    *,
    everything: bool,
) -> Iterator[Cleaned]:
    """Remove the workspaces of finished loops and of runs that crashed; say what became of each.

    Those of a loop that can be resumed stay, unless `everything` is to go; those that a run is
    using stay always, and so does what we did not make. The refs of workspaces go with them, but
    for the work in progress of the loop that is recorded here.

    Raises:
        LoopError: there is no repository, or a setting is wrong.
    """
    git = Git(cwd, environ)
    place = locate(git)
    config = read_config(loop_folder(place.root, loop_dir)).layer
    named = for_laptop(environ, flags).resolve(config).workspace_root
    in_job = job_roots(environ) if environ.get("RUNNER_TEMP") else ()
    roots = (named_root(named, place),) if named else (*laptop_roots(environ), *in_job)
    key = repository_key(git, place.git_dir)
    unneeded = set(_unneeded_refs(git, loop_folder(place.root, loop_dir)))
    for root in roots:
        for path, marker in folders_below(root / key):
            fate = _clean(path, marker, everything=everything)
            yield Cleaned(path, marker.task_id, fate)
            if fate is not Fate.REMOVED:
                unneeded -= {incoming_ref(path / OPENED)}
        yield from (Cleaned(path, "", Fate.LEFT) for path in closed_folders(root / key))
    remove_refs(git, unneeded)


def refuse_left(cleaned: Sequence[Cleaned]) -> None:
    """Fail if something could not be removed.

    Raises:
        DiskRefused: it is named, with what removes it.
    """
    left = [each.path for each in cleaned if each.fate is Fate.LEFT]
    if left:
        raise DiskRefused(*not_removed(left))


def _unneeded_refs(git: Git, folder: Path) -> Iterator[str]:
    """The refs of workspaces, but for the work in progress of the loop in `folder`."""
    with suppress(LoopError):
        state = FileStore(folder).load()
        work = state.wip.sha if state is not None and state.wip is not None else None
        yield from (ref for ref, sha in incoming_refs(git).items() if sha != work)


def _clean(path: Path, marker: Marker, *, everything: bool) -> Fate:
    if not everything and marker.resumable and _can_be_resumed(marker):
        return Fate.RESUMABLE
    is_gone = remove_unused(path)
    if is_gone is None:
        return Fate.IN_USE
    return Fate.REMOVED if is_gone else Fate.LEFT


def _can_be_resumed(marker: Marker) -> bool:
    """Whether the loop is the recorded one of its folder still, and not over; also in doubt."""
    try:
        state = FileStore(Path(marker.state).parent).load()
    except LoopError:
        return True
    if state is None or state.task_id != marker.task_id:
        return False
    return state.state is not Phase.DONE or state.resume_phase is not None
