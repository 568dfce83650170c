"""Shows the modules of loop-kit another system than this one; Python imports this at its start.

What macOS or Windows lack is hidden from loop-kit alone: the standard library and the programs
around it stay those of this system. So nothing is proved about theirs, but that loop-kit needs
nothing that is not there.
"""

import builtins
import functools
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import types

SYSTEM = os.environ.get("PRETENDED_SYSTEM", "")
LINUX = {
    "os": "copy_file_range eventfd getxattr listxattr memfd_create O_PATH O_TMPFILE pidfd_open"
    " posix_fadvise posix_fallocate sched_getaffinity sched_setaffinity setns setxattr splice"
    " unshare",
    "select": "epoll",
}
POSIX = {
    "os": "chown chroot confstr fchdir fchmod fchown fork forkpty getegid geteuid getgid getgroups"
    " getloadavg getpgid getpgrp getpriority getsid getuid initgroups killpg lchown lockf mkfifo"
    " mknod nice O_CLOEXEC O_DIRECTORY O_DSYNC O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC openpty"
    " pathconf posix_spawn posix_spawnp pread pwrite register_at_fork sched_yield setegid seteuid"
    " setgid setpgid setpriority setsid setuid statvfs sync sysconf tcgetpgrp uname wait3 wait4"
    " WNOHANG",
    "select": "poll",
    "signal": "alarm pthread_kill pthread_sigmask setitimer SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL"
    " SIGPIPE siginterrupt sigpending SIGQUIT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGUSR1 SIGUSR2"
    " sigwait SIGWINCH",
    "socket": "AF_UNIX",
}
MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}
ALL = {"os": os, "select": select, "signal": signal, "socket": socket, "sys": sys}


def without(module: types.ModuleType, names: set[str]) -> types.ModuleType:
    """A copy of `module` without these names."""
    copy = types.ModuleType(module.__name__)
    vars(copy).update({name: value for name, value in vars(module).items() if name not in names})
    return copy


def locks() -> types.ModuleType:
    """The one function of `msvcrt` that loop-kit uses, by the locks that are here."""
    import fcntl

    module = types.ModuleType("msvcrt")
    module.LK_NBLCK = 2
    module.locking = lambda file, mode, size: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return module


def no_links(change, path, *args, follow_symlinks=True, **names):  # noqa: ANN001, ANN002, ANN003, ANN201
    """Change something of a file as Windows does: never of a link itself."""
    if not follow_symlinks:
        raise NotImplementedError("follow_symlinks unavailable on this platform")
    return change(path, *args, **names)


def keep_protected(remove, path, **names) -> None:  # noqa: ANN001, ANN003
    """Remove a file as Windows does: not one that is not writable."""
    about = os.stat(path, follow_symlinks=False, dir_fd=names.get("dir_fd"))
    if not stat.S_ISLNK(about.st_mode) and not about.st_mode & stat.S_IWUSR:
        raise PermissionError(13, "Access is denied", path)
    remove(path, **names)


class Popen(subprocess.Popen):
    """Starts a line of text as cmd takes it: without the quotes around its last part."""

    def __init__(self, words, **names) -> None:  # noqa: ANN001, ANN003
        if isinstance(words, str):
            parts = re.fullmatch(r'"([^"]*)" (/d) (/s) (/c) "(.*)"', words, re.DOTALL)
            words = parts.groups()
        super().__init__(words, **names)


def pretend() -> None:
    """Replace what the modules of loop-kit import from here on."""
    is_windows = SYSTEM == "win32"
    hidden = {name: set(LINUX.get(name, "").split()) for name in ALL}
    if is_windows:
        for name, words in POSIX.items():
            hidden[name] |= set(words.split())
    shown = {name: without(module, hidden[name]) for name, module in ALL.items()}
    shown["sys"].platform = SYSTEM
    missing = MODULES if is_windows else set()
    if is_windows:
        shown["os"].name = "nt"
        shown["os"].utime = functools.partial(no_links, os.utime)
        os.remove = os.unlink = functools.partial(keep_protected, os.unlink)
        shown["sys"].executable = f"{os.environ['PATH'].split(os.pathsep)[0]}/python.exe"
        shown["subprocess"] = without(subprocess, set())
        shown["subprocess"].Popen = Popen
        shown["msvcrt"] = locks()
    imported = builtins.__import__

    def import_shown(name, globals_=None, locals_=None, fromlist=(), level=0):  # noqa: ANN001, ANN202
        ours = str((globals_ or {}).get("__name__", "")).startswith("loop_kit")
        if ours and level == 0 and name in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if ours and level == 0 and name in shown:
            return shown[name]
        return imported(name, globals_, locals_, fromlist, level)

    builtins.__import__ = import_shown
    sys.addaudithook(refuse_kernel_files)


def refuse_kernel_files(event: str, words: tuple[object, ...]) -> None:
    """Have no files below /proc and /sys, but for psutil, which has other ways elsewhere."""
    if event not in {"open", "os.listdir", "os.scandir"} or not words:
        return
    if not str(words[0]).startswith(("/proc/", "/sys/")):
        return
    frame = sys._getframe(1)
    while frame is not None:
        if "psutil" in frame.f_code.co_filename:
            return
        frame = frame.f_back
    raise FileNotFoundError(2, "No such file or directory", words[0])


if SYSTEM:
    pretend()
