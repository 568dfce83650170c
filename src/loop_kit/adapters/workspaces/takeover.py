"""Takes commits over from an agent's clone into the loop's repository.

The clone borrows everything else from that repository, so what it has of its own is packed by git
with the loop's configuration, which reads the clone's objects and nothing that configures it, and
is then checked as a fetch checks it: malformed objects are refused, and so is a pack that misses
an object it needs. Git lists what is packed from the commit down to what the loop has, so nothing
below it can be missing either.
"""

from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.errors import GitFailed

_MAX_CONFIGURATION = 1024 * 1024
_COUNT = slice(8, 12)
"""Where a pack holds the number of its objects."""


def take_over(git: Git, clone: Path, commit: str, start: str, ref: str) -> None:
    """Take over `commit` and what it needs that the commit `start` does not hold; `ref` keeps it.

    Raises:
        GitFailed: the commit, or something that it needs, is missing or malformed.
    """
    pack = clone.with_name(f"{clone.name}.pack")
    try:
        git.run(
            *("pack-objects", "-q", "--revs", "--stdout", "--delta-base-offset"),
            stdin=f"{commit}\n^{start}\n".encode(),
            stdout=pack,
            env=borrowing(clone),
            timeout=600,
        )
        with pack.open("rb") as stream:
            is_empty = not any(stream.read(_COUNT.stop)[_COUNT])
        if not is_empty:
            git.run("index-pack", "--stdin", "--strict", stdin=pack, timeout=600)
        git.set_ref(ref, commit)
    finally:
        pack.unlink(missing_ok=True)


def head_as_git_reads_it(git: Git, clone: Path) -> str:
    """The commit of HEAD in a clone whose refs are no plain files.

    Raises:
        GitFailed: there is none.
    """
    _require_plain_configuration(clone / ".git")
    listed = git.text("ls-remote", "--quiet", str(clone / ".git"), "HEAD")
    sha, _, name = listed.partition("\t")
    if name != "HEAD":
        raise GitFailed("The agent's clone has no commit at HEAD.", "Run the round again.")
    return sha


def _require_plain_configuration(git_dir: Path) -> None:
    """Git reads what a configuration includes, wherever that is: another clone, a pipe."""
    try:
        content = read_plain(git_dir / "config", _MAX_CONFIGURATION) or b""
    except (BusFileUnreadable, OSError):
        content = b"include"
    if b"include" in content.lower():
        raise GitFailed(
            "The agent's clone has no plain HEAD, and a configuration that includes others.",
            "Run the round again.",
        )


def borrowing(clone: Path) -> dict[str, str]:
    """The variables with which git reads the objects of a clone beside those of the repository."""
    objects = str(clone / ".git" / "objects")
    quoted = '"' + objects.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted}
