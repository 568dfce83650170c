"""What of a site programs may see: the rooms of a run."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from loop_kit.adapters.agents.catalogue import KNOWN
from loop_kit.adapters.agents.own_home import HOMES
from loop_kit.adapters.process.programs import expand_home
from loop_kit.adapters.process.room.rooms import Rooms, Wishes
from loop_kit.adapters.workspaces.root import job_roots, laptop_roots, named_root
from loop_kit.adapters.workspaces.watch import Watch
from loop_kit.bootstrap.site import Site
from loop_kit.errors import BadSetting
from loop_kit.settings import Settings

_INCLUDED = re.compile(r"^[ \t]*path[ \t]*=[ \t]*\"?([^\"\n]+)", re.MULTILINE)
_NO_GIT_DIR = ("objects", "refs", "logs", "hooks", "info")
_CONFIGURATION = ("config", "config.worktree", "credentials")


def rooms_of(site: Site, settings: Settings) -> Rooms:
    """The rooms for the programs of a run at this site; nothing is tried before the first use.

    Raises:
        BadSetting: what is to be shared is no cache, or cannot be made.
    """
    named = (named_root(settings.workspace_root, site.place),) if settings.workspace_root else ()
    roots = job_roots(site.environ) if site.is_ci else laptop_roots(site.environ)
    own = (site.scratch, site.mailboxes, site.logs, *((site.job,) if site.job else ()), site.homes)
    return Rooms(
        Wishes(
            sandbox=settings.sandbox,
            environ=site.environ,
            in_job=site.is_ci,
            network=settings.network,
            verify_network=settings.verify_network,
            private=(
                *(*named, *roots, *own),
                *_kept_homes(site.environ),
                *_configuration(site.place.git_dir),
                *(Watch(site.environ, site.place.git_dir).credentials() if site.is_ci else ()),
            ),
            readable=tuple(_objects(site.place.git_dir)),
            shared=tuple(_shared(settings.shared_caches, site)),
            scratch=site.scratch if site.is_ci and site.scratch.is_dir() else None,
        )
    )


def _shared(names: Iterable[str], site: Site) -> Iterator[Path]:
    """The caches that are shared, made where they are not there yet."""
    home = Path(os.path.realpath(site.environ.get("HOME") or "/"))
    for name in names:
        folder = Path(os.path.realpath(expand_home(name)))
        if not expand_home(name).is_absolute() or home.is_relative_to(folder):
            raise BadSetting(
                f"shared_caches: {name!r} is no cache of its own.",
                "Name a folder such as ~/.cache/uv: an absolute path that holds no home.",
                anchor="shared-caches",
            )
        if folder.is_relative_to(site.place.root) or folder.is_relative_to(site.place.git_dir):
            raise BadSetting(
                f"shared_caches: {name!r} is in the repository.",
                "Name a folder outside it.",
                anchor="shared-caches",
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadSetting(
                f"shared_caches: {name!r} cannot be made: {error.strerror}.",
                "Name another folder.",
                anchor="shared-caches",
            ) from None
        yield folder


def _configuration(git_dir: Path) -> Iterator[Path]:
    """The files that configure git in a repository, which may hold its credentials."""
    for folder in (git_dir, *_below(git_dir / "modules"), *_below(git_dir / "worktrees")):
        yield from (folder / name for name in _CONFIGURATION if (folder / name).is_file())
    config = git_dir / "config"
    if config.is_file():
        for name in _INCLUDED.findall(config.read_text("utf-8", "replace")):
            yield git_dir / os.path.expanduser(name.strip())  # noqa: PTH111


def _kept_homes(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where the homes of agents are kept from job to job."""
    folders = (own for program in KNOWN.values() for own in program.folders)
    named = (environ.get(own.variable) for own in folders)
    return (Path(name) / HOMES for name in named if name)


def _below(folder: Path) -> Iterator[Path]:
    """The folders in `folder` that may be the git directory of a submodule or a work tree."""
    for name, names, _ in os.walk(folder):
        names[:] = [each for each in names if each not in _NO_GIT_DIR]
        yield Path(name)


def _objects(git_dir: Path) -> Iterator[Path]:
    """The repository that workspaces borrow objects from, and the ones it borrows from itself."""
    yield git_dir
    alternates = git_dir / "objects" / "info" / "alternates"
    if alternates.is_file():
        for line in alternates.read_text("utf-8", "replace").splitlines():
            yield git_dir / "objects" / line
