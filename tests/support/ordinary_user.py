"""Runs a program as an ordinary user with a password-free `sudo`, where the tests run as root.

The stand-in for `sudo` gets its rights as the real one does, from a file that is setuid root: where
that is without effect (`no_new_privs`, a mount with `nosuid`) it fails as the real one does. It
keeps nothing of the environment either, and stays the parent of what it starts.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

USER = 12345
_NEEDED = (sys.base_prefix, sys.prefix, str(Path(__file__).parents[2]))
_ENTER = r"""
closed=$1 last=$2; shift 2
each=3; while [ $each -le $last ]; do
    eval "exec $each<\"\$1\"; path$each=\$1"; shift; each=$((each + 1))
done
if [ "$closed" ]; then
    IFS=:; for each in $closed; do mount -t tmpfs -o mode=755 tmpfs "$each"; done; unset IFS
    each=3; while [ $each -le $last ]; do
        eval "path=\$path$each"
        [ -e "$path" ] || {
            mkdir -p "$path"; mount --no-canonicalize --bind "/proc/self/fd/$each" "$path"
        }
        each=$((each + 1))
    done
fi
each=3; while [ $each -le $last ]; do eval "exec $each<&-"; each=$((each + 1)); done
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


def as_ordinary_user(argv: Sequence[str], program: Path | None = None) -> list[str]:
    """The command line that runs `argv` as an ordinary user, who can read what tests need.

    And what a Python `program` belongs to that is installed elsewhere.
    """
    needed = tuple(dict.fromkeys((*_NEEDED, *(_folders_of(program) if program else ()))))
    script = ("unshare", "--mount", "/bin/sh", "-c", _ENTER, "sh")
    return [*script, _closed_folders(needed), str(len(needed) + 2), *needed, *argv]


def _folders_of(program: Path) -> Iterator[str]:
    """The environment that a program is in, and the Python that this is made from."""
    environment = program.resolve().parents[1]
    yield str(environment)
    python = environment / "bin" / "python"
    if python.exists():
        yield str(python.resolve().parents[1])


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


def _closed_folders(needed: Sequence[str]) -> str:
    """The folders above what tests need that only their owner may enter, between colons."""
    above = {parent for path in needed for parent in Path(os.path.realpath(path)).parents}
    closed = {each for each in above if not each.stat().st_mode & 1}
    return ":".join(str(each) for each in closed if closed.isdisjoint(each.parents))
