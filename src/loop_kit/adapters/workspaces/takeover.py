"""Takes commits over from an agent's clone into the loop's repository.

The clone borrows everything else from that repository. What it has of its own is packed, where it
is much by git with the loop's configuration, which reads the clone's objects and nothing that
configures it. It is then checked as a fetch checks it: malformed objects are refused, and so is a
pack that misses an object it needs. What is packed is listed from the commit down to what the loop
has, so nothing below it can be missing either. What a user's `fetch.fsck.*` lets pass is let pass
here too.
"""

import hashlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.loose_objects import pack_own
from loop_kit.adapters.loop_dir.loop_folder import BusFileUnreadable, read_plain
from loop_kit.errors import GitFailed
from loop_kit.patterns import late_pattern

_MAX_CONFIGURATION = 1024 * 1024
_COUNT = slice(8, 12)
"""Where a pack holds the number of its objects."""
_INCOMING = "refs/loop-kit/incoming-"
_FSCK = "fetch.fsck."
_SEVERITIES = frozenset({"error", "warn", "ignore"})
_UNKNOWN_CHECK = late_pattern(r"Unhandled message id: (\w+)")


def incoming_ref(workspace: Path) -> str:
    """The ref that keeps what was taken over from the workspace at a path.

    Loops in several work trees of one repository take commits over into it at once.
    """
    return _INCOMING + hashlib.sha256(os.fsencode(workspace)).hexdigest()[:12]


def incoming_refs(git: Git) -> dict[str, str]:
    """All refs that keep what was taken over, of any run, and the commits that they are at."""
    listed = git.text("for-each-ref", "--format=%(refname) %(objectname)", f"{_INCOMING}*")
    return dict(line.split(" ", 1) for line in listed.splitlines())


def take_over(git: Git, clone: Path, commit: str, known: Collection[str], ref: str) -> None:
    """Take over `commit` and what it needs that the commits `known` do not hold; `ref` keeps it.

    Raises:
        GitFailed: the commit, or something that it needs, is missing or malformed.
    """
    if _take_own(git, clone, commit, known):
        git.set_ref(ref, commit)
        return
    pack = clone.with_name(f"{clone.name}.pack")
    try:
        git.run(
            *("pack-objects", "-q", "--revs", "--stdout", "--delta-base-offset"),
            stdin="".join((f"{commit}\n", *(f"^{sha}\n" for sha in known))).encode(),
            stdout=pack,
            env=borrowing(clone),
            timeout=600,
        )
        with pack.open("rb") as stream:
            is_empty = not any(stream.read(_COUNT.stop)[_COUNT])
        if not is_empty:
            _index(git, pack)
        git.set_ref(ref, commit)
    finally:
        pack.unlink(missing_ok=True)


def _take_own(git: Git, clone: Path, commit: str, known: Collection[str]) -> bool:
    """Whether what the clone has of its own was little enough to be packed here, and is right."""
    pack = pack_own(clone / ".git" / "objects", commit, known)
    if pack is None:
        return False
    try:
        _index(git, pack)
    except GitFailed:
        return False
    return True


def _index(git: Git, pack: bytes | Path) -> None:
    checks = dict(_checks(git))
    while True:
        strict = ",".join("=".join(check) for check in checks.items())
        option = f"--strict={strict}" if strict else "--strict"
        try:
            git.run("index-pack", "--stdin", option, stdin=pack, timeout=600)
        except GitFailed as error:
            unknown = _UNKNOWN_CHECK.search(error.sentence)
            if unknown is None or checks.pop(unknown[1], None) is None:
                raise
        else:
            return


def _checks(git: Git) -> Iterator[tuple[str, str]]:
    """What the user's own configuration makes of single checks when it fetches."""
    if git.isolated:
        return
    for setting in git.settings:
        check = setting.name.lower().removeprefix(_FSCK)
        if check == setting.name.lower():
            continue
        if check == "skiplist":
            yield check, str(Path(setting.value).expanduser())
        elif setting.value.lower() in _SEVERITIES:
            yield check, setting.value.lower()


def head_as_git_reads_it(git: Git, clone: Path) -> str:
    """The commit of HEAD in a clone whose refs are no plain files.

    Raises:
        GitFailed: there is none.
    """
    _require_plain_configuration(clone / ".git")
    listed = git.text("ls-remote", "--quiet", str(clone / ".git"), "HEAD")
    sha, _, name = listed.partition("\t")
    if name != "HEAD":
        raise GitFailed(
            "The agent's clone has no commit at HEAD.",
            "Run the round again.",
            anchor="workspace-damaged",
        )
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
            anchor="workspace-damaged",
        )


def borrowing(clone: Path) -> dict[str, str]:
    """The variables with which git reads the objects of a clone beside those of the repository."""
    objects = str(clone / ".git" / "objects")
    quoted = '"' + objects.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return {"GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted}
