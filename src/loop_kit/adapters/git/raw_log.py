"""What `git log --raw -z` prints, as commits; hostile paths and subjects are data in it."""

from loop_kit.adapters.git.command import Git
from loop_kit.core.card.scope import Change, Commit
from loop_kit.frozen import frozen


@frozen
class RawChange:
    """One changed path of a commit."""

    old_mode: str
    new_mode: str
    oid: str
    path: str

    @property
    def is_blob(self) -> bool:
        """Whether the path is a file or a link afterwards."""
        return self.oid.strip("0") != "" and self.new_mode != "160000"


@frozen
class RawCommit:
    """One commit as the log has it: without the sizes of its files.

    `base` is the parent that a merge of the base branch brings in; its `changes` are then only what
    differs from the merge that git makes itself.
    """

    sha: str
    parents: int
    subject: str
    changes: list[RawChange]
    base: str | None = None

    def commit(self, sizes: dict[str, int], links: dict[str, str]) -> Commit:
        """The commit, with the sizes and the targets of links by the id of their object."""
        return Commit(
            sha=self.sha,
            subject=f"{self.sha[:7]} {printable_path(self.subject)}",
            parents=1 if self.base else self.parents,
            changes=tuple(
                Change(
                    path=printable_path(change.path),
                    mode=change.new_mode,
                    old_mode=change.old_mode,
                    size=sizes.get(change.oid, 0),
                    link=printable_path(links.get(change.oid, "")),
                )
                for change in self.changes
            ),
        )


def read_log(git: Git, *revisions: str) -> tuple[set[str], list[RawCommit]]:
    """The commits that `git log` lists for these revisions, as `parse_log` gives them."""
    done = git.run(
        *("log", "--left-right", "--format=%x01%m%H %P%x02%s"),
        *("--raw", "--no-renames", "--no-abbrev", "--no-ext-diff", "--no-color"),
        *("--no-show-signature", "--root", "-z", *revisions, "--"),
    )
    return parse_log(done.out.decode("utf-8", "surrogateescape"))


def parse_log(text: str) -> tuple[set[str], list[RawCommit]]:
    """The sides (`<`, `>`) and commits in `git log --raw -z`; a path cannot pose as anything else.

    A token that starts with ':' is followed by exactly one path, every other token is a header.
    """
    sides: set[str] = set()
    commits: list[RawCommit] = []
    tokens = iter(text.split("\x00"))
    for token in tokens:
        entry = token.lstrip("\n")
        if entry.startswith(":"):
            old_mode, new_mode, _, oid, _ = entry[1:].split(" ", 4)
            commits[-1].changes.append(RawChange(old_mode, new_mode, oid, next(tokens)))
        elif entry.startswith("\x01"):
            ids, _, subject = entry[2:].partition("\x02")
            sha, *parents = ids.split()
            sides.add(entry[1])
            commits.append(RawCommit(sha, len(parents), subject, []))
    return sides, commits


def printable_path(text: str) -> str:
    """Text that can be encoded; bytes that are not UTF-8 stay distinguishable."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
