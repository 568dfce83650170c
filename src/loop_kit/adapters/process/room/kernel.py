"""The calls to Linux that build a room, for which Python has no function.

Sources: unshare(2), mount(2), mount_setattr(2), prctl(2), capset(2), setgroups(2).
"""

import ctypes
import os
import stat
import struct

NEW_MOUNTS = 0x0002_0000
NEW_IPC = 0x0800_0000
NEW_USER = 0x1000_0000
NEW_PIDS = 0x2000_0000
NEW_NETWORK = 0x4000_0000

READ_ONLY = 0x1
NO_SUID = 0x2
NO_DEVICES = 0x4
_BIND = 0x1000
_RECURSIVE = 0x4000
_PRIVATE = 0x40000

_SYS_MOUNT_SETATTR = 442
_AT_CURRENT_FOLDER = -100
_AT_RECURSIVE = 0x8000
_CAPABILITY_VERSION_3 = 0x2008_0522
_LAST_CAPABILITY = 63

_PARENT_DEATH_SIGNAL = 1
_DUMPABLE = 4
_DROP_FROM_BOUNDING_SET = 24
_NO_NEW_PRIVILEGES = 38
_AMBIENT = 47
_AMBIENT_CLEAR_ALL = 4


class KernelRefused(Exception):
    """The kernel does not let this user do it; the message says what, and why."""


def unshare(namespaces: int) -> None:
    """Give this process namespaces of its own; of processes, to its next child."""
    _check("unshare", _libc().unshare(ctypes.c_int(namespaces)))


def make_mounts_private() -> None:
    """Keep what is mounted from here on out of every other namespace."""
    _mount("mount", None, "/", None, _RECURSIVE | _PRIVATE, None)


def mount_memory(target: str, mode: int) -> None:
    """Mount an empty folder that is kept in memory."""
    _mount("mount tmpfs", "tmpfs", target, "tmpfs", NO_SUID | NO_DEVICES, f"mode={mode:o}")


def mount_layer(
    below: str, target: str, changes: str, work: str, *, in_user_namespace: bool
) -> None:
    """Show the folder `below` at `target`; what is changed there goes to the folder `changes`."""
    options = f"lowerdir={_escape(below)},upperdir={_escape(changes)},workdir={_escape(work)}"
    if in_user_namespace:
        options += ",userxattr"
    _mount("mount overlay", "overlay", target, "overlay", NO_SUID | NO_DEVICES, options)


def mount_processes() -> None:
    """Mount a /proc that shows the processes of this namespace."""
    _mount("mount proc", "proc", "/proc", "proc", NO_SUID | NO_DEVICES, None)


def mount_terminals(target: str) -> None:
    """Mount terminals that nobody else has."""
    _mount("mount devpts", "devpts", target, "devpts", NO_SUID, "ptmxmode=0666,mode=620")


def bind(source: str, target: str, *, recursive: bool = True) -> None:
    """Show `source` at `target`."""
    _mount("bind", source, target, None, _BIND | (_RECURSIVE if recursive else 0), None)


def set_attributes(target: str, *, on: int = 0, off: int = 0, recursive: bool = False) -> None:
    """Set and clear attributes of one mount, or of all below it too."""
    packed = struct.pack("=QQQQ", on, off, 0, 0)
    done = _syscall(
        _SYS_MOUNT_SETATTR,
        ctypes.c_int(_AT_CURRENT_FOLDER),
        os.fsencode(target),
        ctypes.c_uint(_AT_RECURSIVE if recursive else 0),
        packed,
        ctypes.c_size_t(len(packed)),
    )
    _check(f"mount_setattr {target}", done)


def die_with_parent(number: int) -> None:
    """Have this process end by signal `number` when the thread that started it ends."""
    _check("prctl", _prctl(_PARENT_DEATH_SIGNAL, number))


def forbid_dumps() -> None:
    """Keep processes of the same user from reading the memory and environment of this one."""
    _check("prctl", _prctl(_DUMPABLE, 0))


def drop_groups() -> None:
    """Leave every supplementary group, of which `docker` is as good as root."""
    _check("setgroups", _libc().setgroups(ctypes.c_size_t(0), None))


def empty_bounding_set() -> None:
    """Let no program that is started from here on bring a capability."""
    for number in range(_LAST_CAPABILITY + 1):
        _prctl(_DROP_FROM_BOUNDING_SET, number)  # fails for numbers that this kernel lacks


def drop_privileges() -> None:
    """Have no capability, and get none from a program that is started, `sudo` included."""
    _check("prctl", _prctl(_AMBIENT, _AMBIENT_CLEAR_ALL))
    _check("prctl", _prctl(_NO_NEW_PRIVILEGES, 1))
    header, none = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(24)
    _check("capset", _libc().capset(header, none))


def _mount(
    what: str, source: str | None, target: str, kind: str | None, flags: int, options: str | None
) -> None:
    def encode(text: str | None) -> bytes | None:
        return None if text is None else os.fsencode(text)

    done = _libc().mount(
        encode(source), encode(target), encode(kind), ctypes.c_ulong(flags), encode(options)
    )
    _check(f"{what} {target}", done)


def _escape(path: str) -> str:
    """A path as an option of an overlay, where commas and colons separate."""
    for character in "\\,:":
        path = path.replace(character, f"\\{character}")
    return path


def _prctl(option: int, *arguments: int) -> int:
    padded = (option, *arguments, 0, 0, 0, 0)[:5]
    return int(_libc().prctl(*(ctypes.c_ulong(value) for value in padded)))


def _check(what: str, result: int) -> None:
    if result < 0:
        raise KernelRefused(f"{what}: {os.strerror(ctypes.get_errno())}")


class _Library:
    """The C library, opened at its first use."""

    def __init__(self) -> None:
        self._opened: ctypes.CDLL | None = None

    def __call__(self) -> ctypes.CDLL:
        if self._opened is None:
            self._opened = ctypes.CDLL(None, use_errno=True)
            self._opened.syscall.restype = ctypes.c_long
        return self._opened


_libc = _Library()


EXECUTE, READ_FILE, READ_FOLDER = 1 << 0, 1 << 2, 1 << 3
_WRITE_FILE, _TRUNCATE, _IOCTL_DEVICE = 1 << 1, 1 << 14, 1 << 15
_OF_FILES = EXECUTE | _WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEVICE
EVERYTHING = (1 << 16) - 1
"""Rights of Landlock; those that this kernel does not know are left out of a rule."""
_KNOWN_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_FROM_ABI_NETWORK, _FROM_ABI_SCOPE = 4, 6
_TCP, _SOCKETS_AND_SIGNALS = 0b11, 0b11
_SYS_CREATE_RULESET, _SYS_ADD_RULE, _SYS_RESTRICT_SELF = 444, 445, 446


class PathRules:
    """A ruleset of Landlock: what it handles is forbidden, but for what is allowed.

    One without `paths` only keeps the program from abstract sockets and signals of others.
    """

    def __init__(self, *, without_network: bool = False, paths: bool = True) -> None:
        version = _syscall(_SYS_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))
        if version < (1 if paths else _FROM_ABI_SCOPE):
            raise KernelRefused("this kernel has no Landlock for this")
        if without_network and version < _FROM_ABI_NETWORK:
            raise KernelRefused("Landlock of this kernel cannot close the network")
        self._known = _KNOWN_RIGHTS.get(version, EVERYTHING) if paths else 0
        scope = _SOCKETS_AND_SIGNALS if version >= _FROM_ABI_SCOPE else 0
        packed = struct.pack("=QQQ", self._known, _TCP if without_network else 0, scope)
        size = 24 if scope else 16 if version >= _FROM_ABI_NETWORK else 8
        made = _syscall(_SYS_CREATE_RULESET, packed, ctypes.c_size_t(size), ctypes.c_uint(0))
        _check("landlock_create_ruleset", made)
        self._ruleset = made

    def allow(self, path: str, rights: int) -> None:
        """Allow `rights` at `path` and below."""
        descriptor = os.open(path, os.O_PATH)
        try:
            wanted = rights & self._known
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                wanted &= _OF_FILES
            packed = struct.pack("=Qi", wanted, descriptor)
            done = _syscall(
                _SYS_ADD_RULE,
                ctypes.c_int(self._ruleset),
                ctypes.c_int(1),
                packed,
                ctypes.c_uint(0),
            )
            _check(f"landlock {path}", done)
        finally:
            os.close(descriptor)

    def enforce(self) -> None:
        """Confine this process and all that it starts."""
        _check("prctl", _prctl(_NO_NEW_PRIVILEGES, 1))
        _check(
            "landlock_restrict_self",
            _syscall(_SYS_RESTRICT_SELF, ctypes.c_int(self._ruleset), ctypes.c_uint(0)),
        )


def _syscall(number: int, *arguments: object) -> int:
    return int(_libc().syscall(ctypes.c_long(number), *arguments))
