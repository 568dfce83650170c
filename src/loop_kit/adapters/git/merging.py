"""What a merge of two commits is, made by git without a work tree."""

from dataclasses import replace
from typing import NamedTuple

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.raw_log import RawChange, RawCommit, parse_log
from loop_kit.errors import GitFailed

_CLEAN, _CONFLICTS = 0, 1


class Preview(NamedTuple):
    """The merge of the commit `theirs`: its tree, with conflict markers in the files `conflicts`.

    `stages` are the lines with which `update-index --index-info` records these conflicts.
    """

    theirs: str
    tree: str
    conflicts: tuple[str, ...]
    stages: bytes


def preview_merge(git: Git, ours: str, theirs: str) -> Preview:
    """What git makes of merging the commit `theirs` into `ours`.

    Raises:
        GitFailed: git is older than 2.38, or something that it needs is not here.
    """
    command = ("merge-tree", "--write-tree", "--no-messages", "-z", ours, theirs)
    done = git.run(*command, ok=range(256), timeout=120)
    if done.code not in {_CLEAN, _CONFLICTS}:
        error = done.err.decode("utf-8", "replace").strip()[-300:] or f"exit code {done.code}"
        raise GitFailed(
            f"git cannot merge: {error}", "Install git 2.38 or newer.", anchor="git-missing"
        )
    tree, *rows = done.out.split(b"\0")[:-1]
    paths = dict.fromkeys(row.partition(b"\t")[2] for row in rows)
    return Preview(
        theirs=theirs,
        tree=tree.decode(),
        conflicts=tuple(path.decode("utf-8", "surrogateescape") for path in paths),
        stages=b"".join(row + b"\0" for row in rows),
    )


def find_base_merges(git: Git, commits: list[RawCommit], base_tip: str) -> list[RawCommit]:
    """The commits, with those among them that merge what `base_tip` holds as `RawCommit` says."""
    return [_as_base_merge(git, c, base_tip) if c.parents == 2 else c for c in commits]


def _as_base_merge(git: Git, commit: RawCommit, base_tip: str) -> RawCommit:
    parents = git.text("rev-parse", f"{commit.sha}^1", f"{commit.sha}^2").split()
    base = next((sha for sha in reversed(parents) if is_ancestor(git, sha, base_tip)), None)
    if base is None:
        return commit
    return replace(commit, base=base, changes=_merge_change(git, commit, *parents))


def _merge_change(git: Git, merge: RawCommit, ours: str, theirs: str) -> list[RawChange]:
    """What a merge commit changes of the merge that git makes itself."""
    tree = preview_merge(git, ours, theirs).tree
    done = git.run(
        *("diff-tree", "-r", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff", "-z"),
        *("--ignore-submodules=none", tree, merge.sha),
        timeout=120,
    )
    raw = f"\x01>{merge.sha} {tree}\x02\x00" + done.out.decode("utf-8", "surrogateescape")
    return parse_log(raw)[1][0].changes


def is_ancestor(git: Git, older: str, newer: str) -> bool:
    """Whether `newer` holds `older`, or is the same."""
    query = ("merge-base", "--is-ancestor", older, newer)
    return git.run(*query, ok=(0, 1, 128)).code == 0


def merge_base(git: Git, one: str, other: str) -> str | None:
    """The newest commit that both hold, by the history that is here."""
    done = git.run("merge-base", one, other, ok=(0, 1, 128))
    return done.out.decode().strip() or None
