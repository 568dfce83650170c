"""What is seen in a room: builds it in the mount namespace of this process, or raises.

Everything is read-only. /tmp and its like are empty, and so is what is hidden. Folders in which
programs expect to write although nobody keeps what they write there (a home, tool caches) get a
layer that is thrown away. The workspace and the few other folders in which changes are real are
bound back. All of them are opened before anything is covered: one may be below another.
"""

import os
import stat
from collections.abc import Iterable

from loop_kit.adapters.process.room import kernel
from loop_kit.adapters.process.room.plan import RoomPlan

_EMPTIED = (("/tmp", "tmp"), ("/var/tmp", "var-tmp"))  # noqa: S108
_EMPTIED_IN_MEMORY = ("/run", "/dev/shm")  # noqa: S108
OF_A_HOME = (
    *(".netrc", ".docker", ".ssh", ".aws", ".azure", ".kube", ".gnupg", ".npmrc", ".pypirc"),
    *(".git-credentials", ".gitconfig", ".config/git", ".config/gh", ".config/gcloud"),
    *(".local/share/keyrings", ".terraform.d", ".cargo/credentials.toml", ".m2/settings.xml"),
)
"""Where programs keep credentials, and where git is told which programs to run."""
_RESOLVER = "/etc/resolv.conf"


class Mounts:
    """The mounts of one room. Made once, by the first process of the room."""

    def __init__(self, plan: RoomPlan) -> None:
        self._plan = plan
        self._changeable: list[str] = []

    def build(self) -> None:
        """Mount everything; afterwards this process sees the room.

        Raises:
            KernelRefused: something cannot be mounted.
            OSError: a writable folder does not exist, or the scratch folder cannot be written.
        """
        plan = self._plan
        writable = {path: _open(path) for path in _real(plan.writable)}
        layered = {path: _open(path) for path in _real(plan.layered) if os.path.isdir(path)}
        shown = {path: _open(path) for path in _real(plan.shown) if os.path.exists(path)}
        scratch = None if plan.scratch is None else _open(plan.scratch)
        resolver = _read(_RESOLVER)
        self._empty(scratch)
        for path, below in layered.items():
            self._layer(path, below, scratch)
        in_homes = (f"{home}/{name}" for home in layered for name in OF_A_HOME)
        for path in (*in_homes, *plan.hidden):
            self._hide(os.path.realpath(path))
        for path, descriptor in shown.items():
            if _differs(path, descriptor):
                _bind(descriptor, path)
        for path, descriptor in writable.items():
            _bind(descriptor, path)
            self._changeable.append(path)
        _write_if_gone(_RESOLVER, resolver)
        kernel.mount_processes()
        kernel.set_attributes("/", on=kernel.READ_ONLY | kernel.NO_SUID, recursive=True)
        for path in (*self._changeable, "/proc"):
            kernel.set_attributes(path, off=kernel.READ_ONLY)
        for descriptor in (*writable.values(), *layered.values(), *shown.values()):
            os.close(descriptor)

    def _empty(self, scratch: int | None) -> None:
        """Cover /tmp and its like with folders on disk, where there is one for them."""
        for path in _EMPTIED_IN_MEMORY:
            if _is_plain_folder(path):
                self._mount_memory(path, 0o1777)
        for path, name in _EMPTIED:
            if not _is_plain_folder(path):
                continue
            if scratch is None:
                self._mount_memory(path, 0o1777)
                continue
            os.makedirs(own := f"{_by_descriptor(scratch)}/{name}", exist_ok=True)
            os.chmod(own, 0o1777)  # noqa: S103
            kernel.bind(own, path)
            self._changeable.append(path)

    def _layer(self, path: str, below: int, scratch: int | None) -> None:
        """A layer over `path`, kept on disk, or in memory where that file system holds none."""
        os.makedirs(path, exist_ok=True)
        if scratch is not None:
            try:
                return self._mount_layer(path, below, _by_descriptor(scratch))
            except kernel.KernelRefused:
                pass
        self._mount_layer(path, below, "/dev/shm")  # noqa: S108
        return None

    def _mount_layer(self, path: str, below: int, place: str) -> None:
        number = len(self._changeable)
        changes, work = (f"{place}/layer-{number}-{name}" for name in ("changes", "work"))
        os.makedirs(changes)
        os.makedirs(work)
        _copy_owner(below, changes)
        source = _by_descriptor(below)
        namespaced = self._plan.in_user_namespace
        kernel.mount_layer(source, path, changes, work, in_user_namespace=namespaced)
        self._changeable.append(path)

    def _hide(self, path: str) -> None:
        """Show nothing at `path`; what is writable below it is bound back later."""
        if os.path.isdir(path):
            self._mount_memory(path, 0o711)
        elif os.path.lexists(path):
            kernel.bind(os.devnull, path)

    def _mount_memory(self, path: str, mode: int) -> None:
        kernel.mount_memory(path, mode)
        self._changeable.append(path)


def _bind(descriptor: int, path: str) -> None:
    """Show at `path` what was there when `descriptor` was opened."""
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.makedirs(path, exist_ok=True)
    elif not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    kernel.bind(_by_descriptor(descriptor), path)


def _open(path: str) -> int:
    return os.open(path, os.O_PATH)


def _by_descriptor(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _real(paths: Iterable[str]) -> list[str]:
    """The paths without links and repeats, folders before what is in them."""
    return sorted({os.path.realpath(path) for path in paths})


def _is_plain_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _differs(path: str, descriptor: int) -> bool:
    """Whether something else, or nothing, is seen at `path` now."""
    try:
        return not os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return True


def _copy_owner(source: int, target: str) -> None:
    found = os.fstat(source)
    if os.geteuid() == 0:
        os.chown(target, found.st_uid, found.st_gid)
    os.chmod(target, stat.S_IMODE(found.st_mode))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(64 * 1024)
    except OSError:
        return b""


def _write_if_gone(path: str, content: bytes) -> None:
    """Keep the names of hosts resolvable where that file was a link into a folder now empty."""
    real = os.path.realpath(path)
    if content and not os.path.exists(real):
        os.makedirs(os.path.dirname(real), exist_ok=True)
        with open(real, "wb") as file:
            file.write(content)
