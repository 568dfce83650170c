"""Prepares a workspace, so that a real project's tests can run in it.

A workspace is a clone: it lacks what was installed or generated beside the committed files. In this
order it gets the files of the submodules that are checked out, the untracked files that
`workspace-include` names, and what the commands of `workspace-setup` make.

What an agent committed may run in these commands (an install script, say). So they get the secrets
of `setup-env` only while manifests and lock files are as at the base commit. When the commands fail
only because an agent has changed those files, the loop continues: its verification fails, and the
worker is to fix what it broke. Every other failure stops the loop before anybody is paid.

An environment of Python that imports the project from the user's tree would test that code instead
of the workspace's. It is refused, unless the workspace has an environment of its own.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.workspaces.editable import (
    EditableInstall,
    editable_install,
    editable_install_of,
)
from loop_kit.adapters.workspaces.environment import activation, own_environment
from loop_kit.adapters.workspaces.include import Include
from loop_kit.adapters.workspaces.manifests import Manifests
from loop_kit.adapters.workspaces.setup import LOG, WorkspaceSetup
from loop_kit.adapters.workspaces.shell import Box
from loop_kit.adapters.workspaces.submodules import missing_submodules, write_submodules
from loop_kit.patterns import late_pattern
from loop_kit.ports import Reporter, SetupFailed
from loop_kit.settings import Settings

_MAX_SHOWN = 5
_DAY_SEC = 24 * 3600
_LFS = late_pattern(rb"\bfilter=lfs\b")


class Preparation:
    """How the workspaces of one loop are prepared."""

    def __init__(
        self,
        git: Git,
        root: Path,
        base_sha: str,
        include: Include,
        setup: WorkspaceSetup,
        environ: Mapping[str, str],
        warn: Callable[[str], None],
        *,
        in_job: bool = False,
    ) -> None:
        """`root` is the user's tree or the checkout; `environ` is what agents see."""
        self._git = git
        self._root = root
        self._base = base_sha
        self._include = include
        self._setup = setup
        self._environ = environ
        self._warn = warn
        self._in_job = in_job
        self._manifests = Manifests(git, setup.commands)
        self._warned: set[str] = set()
        self._checked: set[tuple[str, ...]] = set()
        self._settings: str | None = None
        self._failures: dict[str | None, SetupFailed] = {}

    def key(self, sha: str) -> str | None:
        """Equal for commits whose workspaces are prepared in the same way; None if none is."""
        files, commands = self._include.files(), self._setup.commands
        submodules = self._submodules(sha)
        if not (files or commands or submodules):
            return None
        manifests = self._manifests.of(sha) if commands else {}
        found = (repr(sorted(manifests.items())), repr(sorted(submodules.items())))
        return _digest(self.settings, *found)

    @property
    def settings(self) -> str:
        """A digest of what is asked for, whatever the commit."""
        if self._settings is None:
            names = sorted(self._setup.secrets)
            parts = (repr(self._setup.commands), repr(names), *self._include.fingerprint())
            self._settings = _digest(*parts)
        return self._settings

    def source(self, sha: str) -> str:
        """The commit at which a workspace for `sha` is prepared: the base where that is the same.

        So the secrets of `setup-env` are never near what an agent has written.
        """
        same = bool(self._base) and self.key(sha) == self.key(self._base)
        return self._base if same else sha

    def check(self, sha: str) -> None:
        """Check what can be known before a workspace is prepared, and warn of what is missing.

        Raises:
            SetupFailed: tests would be run on other code.
        """
        self._warn_of_submodules(sha)
        self._warn_of_large_files(sha)
        if not self._setup.commands:
            self._refuse_other_code(None)

    def prepare(self, path: Path, sha: str) -> None:
        """Prepare the clone at `path`, with `sha` checked out.

        Raises:
            SetupFailed: a command failed, or tests would be run on other code.
        """
        try:
            write_submodules(self._git, self._root, self._submodules(sha), path)
            self._include.copy(path)
            self._setup.run(path, self._why_without_secrets(sha))
        except SetupFailed as error:
            if error.result is None or self._setup.secrets or self._is_as_at_base(sha):
                raise
            self._failures[self.key(sha)] = error
            self._warn_once(f"{error.sentence} The agents changed {self._changed_text(sha)}.")
            return
        self._refuse_other_code(path)

    def failure(self, sha: str) -> SetupFailed | None:
        """Why the workspace for `sha` is not prepared as asked: what agents changed broke it."""
        return self._failures.get(self.key(sha)) if self._failures else None

    def environment(self, path: Path, sha: str, *, trusts_work: bool) -> dict[str, str]:
        """The variables that activate the virtual environment that the workspace has of its own.

        Without `trusts_work` it counts only when it was made from the base's manifests. One that
        was committed never counts.
        """
        found = own_environment(path)
        if found is None or not (trusts_work or self._is_as_at_base(sha)):
            return {}
        tracked = self._git.run("ls-tree", "-z", sha, "--", f"{found.name}/", timeout=60).out
        return {} if tracked else activation(self._environ, found)

    def check_commands(self, commands: Sequence[str], environ: Mapping[str, str]) -> None:
        """Check which environments verify commands name, as they are found with `environ`.

        Raises:
            SetupFailed: one of them would run them on other code.
        """
        if tuple(commands) not in self._checked:
            self._refuse(editable_install_of(commands, environ, [self._root]), in_verify=True)
            self._checked.add(tuple(commands))

    def _is_as_at_base(self, sha: str) -> bool:
        return sha == self._base or bool(self._base and not self._changed(sha))

    def _changed(self, sha: str) -> tuple[str, ...]:
        return self._manifests.changed(self._base, sha) if self._base else ()

    def _changed_text(self, sha: str) -> str:
        return _listed(self._changed(sha)) or "the manifests"

    def _why_without_secrets(self, sha: str) -> str | None:
        if not self._setup.secrets or self._is_as_at_base(sha):
            return None
        why = (
            "The secrets of setup-env are withheld, since the base does not have this"
            f" {self._changed_text(sha)}."
        )
        self._warn_once(why)
        return why

    def _submodules(self, sha: str) -> Mapping[str, str]:
        """The submodules at a commit, where the repository has any."""
        has_some = (self._root / ".gitmodules").is_file()
        return self._manifests.submodules(sha) if has_some else {}

    def _warn_of_submodules(self, sha: str) -> None:
        missing = missing_submodules(self._git, self._root, self._submodules(sha))
        if not missing:
            return
        get = (
            "Add `submodules: recursive` to actions/checkout."
            if self._in_job
            else "Run `git submodule update --init --recursive` to have them."
        )
        named = _listed([f"{one.path} (at {one.sha[:10]})" for one in missing])
        self._warn_once(
            f"Submodules whose recorded commit is not checked out here: {named}. Agents and verify"
            f" commands work without their files. {get}"
        )

    def _warn_of_large_files(self, sha: str) -> None:
        """Warn of files in Git LFS: a workspace has their pointers, whatever the checkout has."""
        attributes = self._root / ".gitattributes"
        if not attributes.is_file() or not _LFS.search(attributes.read_bytes()):
            return
        found = self._git.run(
            *("grep", "-l", "-z", "-I", "--no-recurse-submodules", "-e"),
            *("^version https://git-lfs.github.com/spec/", sha, "--"),
            ok=(0, 1, 128),
            timeout=120,
        ).out.decode("utf-8", "surrogateescape")
        names = [name.partition(":")[2] for name in found.split("\0") if name]
        if names:
            self._warn_once(
                f"Git LFS holds the content of {_listed(names)}. Agents and verify commands see the"
                " pointers: leave out of `verify` what needs the content."
            )

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            self._warn(message)

    def _refuse_other_code(self, workspace: Path | None) -> None:
        """Refuse an environment that imports the project from the user's tree."""
        own = own_environment(workspace) if workspace else None
        environ = self._environ if own is None else {"VIRTUAL_ENV": str(own)}
        folders = (self._root, *(path for path in self._root.iterdir() if path.is_dir()))
        asks = any(_is_project(folder) for folder in folders)
        self._refuse(editable_install(environ, [self._root], self._root, asks=asks))

    def _refuse(self, found: EditableInstall | None, *, in_verify: bool = False) -> None:
        if found is not None:
            setup = f"`workspace-setup: {suggested_setup(self._root, found.folder)}`"
            use = ", and write its programs without a path in `verify`" if in_verify else ""
            raise SetupFailed(
                f"The Python environment {found.environment} imports {found.name} from"
                f" {found.folder}, so that agents and verify commands would test that code instead"
                " of the workspace's.",
                f"Give each workspace an environment of its own{use}: {setup}.",
            )


def choose_preparation(
    settings: Settings,
    environ: Mapping[str, str],
    seen: Mapping[str, str],
    git: Git,
    root: Path,
    base_sha: str,
    logs: Path,
    reporter: Reporter,
    *,
    in_job: bool,
    box: Box,
    kept: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Preparation:
    """The preparation that the settings ask for, in a repository whose files are at `root`.

    `seen` is the part of `environ` that agents see; each command runs in a `box`,
    and `kept` is entered meanwhile.

    Raises:
        BadSetting: a pattern of `workspace-include` is none.
    """
    inside = git.at(root)
    setup = WorkspaceSetup(
        commands=settings.workspace_setup,
        environment=seen,
        log=logs / LOG,
        note=reporter.note,
        warn=reporter.warn,
        secrets={name: environ[name] for name in settings.setup_env if name in environ},
        timeout=settings.verify_timeout or _DAY_SEC,
        in_job=in_job,
        kept=kept,
        box=box,
    )
    include = Include(inside, root, settings.workspace_include, reporter.warn)
    warn = reporter.warn
    return Preparation(inside, root, base_sha, include, setup, seen, warn, in_job=in_job)


def suggested_setup(root: Path, imported: Path) -> str:
    """Commands that install the Python project whose files are in `imported`, below `root`."""
    from loop_kit.core.project import python_setup

    below = [folder for folder in (imported, *imported.parents) if folder.is_relative_to(root)]
    project = next((folder for folder in below if _is_project(folder)), root)
    names = {path.name for path in root.iterdir()}
    relative = project.relative_to(root).as_posix()
    return python_setup(names, project=relative, windows=sys.platform == "win32")


def _is_project(folder: Path) -> bool:
    from loop_kit.core.project import PYTHON_PROJECTS

    return any((folder / name).is_file() for name in PYTHON_PROJECTS)


def _digest(*parts: str) -> str:
    whole = hashlib.sha256()
    for part in parts:
        raw = part.encode(errors="surrogateescape")
        whole.update(len(raw).to_bytes(8, "big") + raw)
    return whole.hexdigest()[:16]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MAX_SHOWN
    return ", ".join(names[:_MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")
