"""What is seen in a room: builds it in the mount namespace of this process, or raises.

Everything is read-only. /tmp and its like are empty, and so is what is hidden. Folders in which
programs expect to write although nobody keeps what they write there (a home, tool caches) get a
layer that is thrown away. The workspace and the few other folders in which changes are real are
bound back. All of them are opened before anything is covered, and done from the root down: one may
be below another, and what is said of the longer path counts.

Of the devices only the harmless ones are there: without a capability, root may still write to a
disk. For the same reason nothing can be set in /proc, as which program handles a crash.
"""

from __future__ import annotations

import os
import stat

from loop_kit.adapters.process.room import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from loop_kit.adapters.process.room.plan import RoomPlan

    Step = tuple[str, int, Callable[..., None], tuple[object, ...]]

_EMPTIED = (("/tmp", "tmp"), ("/var/tmp", "var-tmp"))  # noqa: S108
_EMPTIED_IN_MEMORY = ("/run", "/dev/shm")  # noqa: S108
OF_A_HOME = (
    *(".netrc", ".docker", ".ssh", ".aws", ".azure", ".kube", ".gnupg", ".npmrc", ".pypirc"),
    *(".git-credentials", ".gitconfig", ".config/git", ".config/gh", ".config/gcloud"),
    *(".local/share/keyrings", ".terraform.d", ".cargo/credentials.toml", ".m2/settings.xml"),
    *(
        ".cargo/credentials",
        ".gem/credentials",
        ".composer/auth.json",
        ".config/composer/auth.json",
    ),
    *(".config/containers/auth.json", ".config/github-copilot", ".config/glab-cli", ".config/hub"),
    *(".config/rclone", ".config/op", ".config/doctl", ".fly", ".boto", ".s3cfg", ".vault-token"),
    *(".pgpass", ".my.cnf", ".password-store", ".gemini/oauth_creds.json", ".Xauthority"),
    *(".mozilla", ".config/google-chrome", ".config/chromium", ".bash_history", ".zsh_history"),
)
"""Where programs keep credentials, and where git is told which programs to run."""
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "kvm", "dri")
_DEVICES_OF = "nvidia"
_LINKS = (("fd", "/proc/self/fd"), ("ptmx", "pts/ptmx"))
_STREAMS = ("stdin", "stdout", "stderr")
_FIXED_IN_PROC = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi")
_SECRETS = (b"_auth", b"_password", b"_secret", b"token")
_MAY_BE_PLAIN = ".npmrc"
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
        scratch = None if self._plan.scratch is None else _open(self._plan.scratch)
        steps = sorted(self._steps(scratch), key=lambda step: step[:2])
        resolver = _read(_RESOLVER)
        self._make_devices()
        self._empty(scratch)
        for _, _, perform, arguments in steps:
            perform(*arguments)
        _write_if_gone(_RESOLVER, resolver)
        self._finish()

    def _steps(self, scratch: int | None) -> Iterator[Step]:
        """What is done at each path, which is opened now; at one path in the order of numbers."""
        plan = self._plan
        layered = [path for path in _real(plan.layered) if os.path.isdir(path)]
        for path in layered:
            yield path, 0, self._layer, (path, _open(path), scratch)
            for name in OF_A_HOME:
                if os.path.lexists(f"{path}/{name}"):
                    yield f"{path}/{name}", 2, self._remove, (path, name)
        for path in _mounted_below(layered):
            if (opened := _try(path)) is not None:
                yield path, 0, _bind_if_allowed, (opened, path)
        for path in {*plan.shown, *_real(plan.shown)}:
            if (opened := _try(path)) is not None:
                yield path, 1, _bind_if_gone, (opened, path)
        for path in _real(plan.hidden):
            yield path, 2, self._hide, (path,)
        for path in _real(plan.writable):
            yield path, 3, self._bind_writable, (path, _open(path))

    def _bind_writable(self, path: str, opened: int) -> None:
        _bind(opened, path)
        self._changeable.append(path)

    def _finish(self) -> None:
        """Mount a /proc of the room, and make all read-only but what may be changed."""
        kernel.mount_processes()
        fixed = [path for name in _FIXED_IN_PROC if os.path.exists(path := f"/proc/{name}")]
        for path in fixed:
            kernel.bind(path, path)
        kernel.set_attributes("/", on=kernel.READ_ONLY | kernel.NO_SUID, recursive=True)
        for path in (*self._changeable, "/proc"):
            kernel.set_attributes(path, off=kernel.READ_ONLY)

    def _make_devices(self) -> None:
        """Cover /dev with one that has the harmless devices, and terminals of its own."""
        found = [f"/dev/{name}" for name in (*DEVICES, "mqueue")]
        found += [entry.path for entry in os.scandir("/dev") if entry.name.startswith(_DEVICES_OF)]
        opened = {path: _open(path) for path in found if os.path.exists(path)}
        kernel.mount_memory("/dev", 0o755)
        for path, descriptor in opened.items():
            _bind(descriptor, path)
            os.close(descriptor)
        streams = ((name, f"/proc/self/fd/{number}") for number, name in enumerate(_STREAMS))
        for name, target in (*_LINKS, *streams):
            os.symlink(target, f"/dev/{name}")
        for name in ("shm", "pts"):
            os.mkdir(f"/dev/{name}")
        kernel.mount_terminals("/dev/pts")

    def _remove(self, home: str, name: str) -> None:
        """Leave no credentials in the layer over a home; a program may make its own file there."""
        path = f"{home}/{name}"
        if name == _MAY_BE_PLAIN and not any(word in _read(path).lower() for word in _SECRETS):
            return
        if os.path.isfile(path) and not os.path.islink(path):
            _unlink(path)
        self._hide(os.path.realpath(path))

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
        os.chmod(changes, stat.S_IMODE(os.fstat(below).st_mode) | stat.S_IRWXU)
        if self._plan.user is not None:
            os.chown(changes, *self._plan.user)
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


def _bind_if_allowed(descriptor: int, path: str) -> None:
    """Show what is mounted somewhere, unless it is of a kind that cannot be."""
    try:
        _bind(descriptor, path)
    except (kernel.KernelRefused, OSError):
        return


def _bind_if_gone(descriptor: int, path: str) -> None:
    if _differs(path, descriptor):
        _bind(descriptor, path)


def _bind(descriptor: int, path: str) -> None:
    """Show at `path` what was there when `descriptor` was opened."""
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.makedirs(path, exist_ok=True)
    elif not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    kernel.bind(_by_descriptor(descriptor), path)


def _mounted_below(folders: Iterable[str]) -> Iterator[str]:
    """Where something is mounted below one of `folders`; a layer shows an empty folder there."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        targets = {_unescape(line.split()[4]) for line in file}
    prefixes = tuple(f"{folder}/" for folder in folders)
    return (target for target in sorted(targets) if target.startswith(prefixes))


def _unescape(word: str) -> str:
    """A path of mountinfo, in which white space is written in octal (proc(5))."""
    for code, character in (("040", " "), ("011", "\t"), ("012", "\n"), ("134", "\\")):
        word = word.replace(f"\\{code}", character)
    return word


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


def _try(path: str) -> int | None:
    try:
        return _open(path)
    except OSError:
        return None


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
