"""Runs a program as an ordinary user with a password-free `sudo`, where the tests run as root.

The stand-in for `sudo` gets its rights as the real one does, from a file that is setuid root: where
that is without effect (`no_new_privs`, a mount with `nosuid`) it fails as the real one does. It
keeps nothing of the environment either, and stays the parent of what it starts.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

USER = 12345
_NEEDED = (sys.base_prefix, sys.prefix, str(Path(__file__).parents[2]))
_ENTER = """
closed=$1; shift
exec 3<"$1" 4<"$2" 5<"$3"
if [ "$closed" ]; then
    mount -t tmpfs -o mode=755 tmpfs "$closed"
    for each in "3$1" "4$2" "5$3"; do
        path=/${each#*/} opened=/proc/self/fd/${each%%/*}
        [ -e "$path" ] || { mkdir -p "$path"; mount --no-canonicalize --bind "$opened" "$path"; }
    done
fi
exec 3<&- 4<&- 5<&-
shift 3
exec setpriv --reuid=12345 --regid=12345 --clear-groups -- "$@"
"""
_WITHOUT_NAMESPACES = """
echo 1 > /proc/sys/user/max_user_namespaces
user=$1; shift
exec unshare --map-user="$user" --map-group="$user" -- "$@"
"""
"""The one namespace that is allowed is the one that it is in already."""
_SUDO = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do [ "$1" = -n ] || [ "$1" = -- ] || exit 1; shift; done
exec {as_root} --reuid=0 --regid=0 --clear-groups -- \\
    env -i PATH="$PATH" SUDO_UID="$(id -u)" /bin/sh -c '"$@"; exit $?' sh "$@"
"""


def as_ordinary_user(argv: Sequence[str]) -> list[str]:
    """The command line that runs `argv` as an ordinary user, who can read what tests need."""
    script = ("unshare", "--mount", "/bin/sh", "-c", _ENTER, "sh")
    return [*script, _closed_folder(), *_NEEDED, *argv]


def without_namespaces(argv: Sequence[str], user: int | None = None) -> list[str]:
    """The command line that runs `argv` as this user, or `user`, who may make no namespace."""
    who = str(os.getuid() if user is None else user)
    script = ("unshare", "--map-root-user", "/bin/sh", "-c", _WITHOUT_NAMESPACES, "sh")
    return [*script, who, *argv]


def may_make_namespaces() -> bool:
    """Whether this user may make a user namespace here."""
    unshare = shutil.which("unshare")
    return unshare is not None and not subprocess.call([unshare, "--map-root-user", "true"])


def make_sudo(folder: Path) -> None:
    """Put a `sudo` that asks for no password into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    as_root = folder / "as-root"
    shutil.copy(shutil.which("setpriv") or "setpriv", as_root)
    as_root.chmod(0o4755)
    script = folder / "sudo"
    script.write_text(_SUDO.replace("{as_root}", str(as_root)))
    script.chmod(0o755)


def _closed_folder() -> str:
    """The folder above what tests need that only its owner may enter, or ''."""
    above = {parent for path in _NEEDED for parent in Path(os.path.realpath(path)).parents}
    return next((str(each) for each in sorted(above) if not each.stat().st_mode & 1), "")
