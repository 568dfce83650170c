"""The branch that keeps the work of a local loop, and what happens when it is not free.

A branch is moved only from where the loop left it, and never while a work tree has it checked out.
Where the user's own tree has it checked out, the work goes to `refs/loop/<task_id>/work`, and the
branch can be fast-forwarded between rounds. A branch that somebody moved, or that is checked out in
another work tree, stays as it is: the work goes to the next name, such as `loop/<task_id>/work-2`.
"""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import Place
from loop_kit.errors import BranchRefused, GitFailed
from loop_kit.frozen import frozen
from loop_kit.patterns import late_pattern

_HEADS = "refs/heads/"
_RACES = 3
_ID = late_pattern(rb"[0-9a-f]{40,64}")


@frozen
class _Ref:
    """A ref as it is now: its commit, and the work tree that has it checked out ('' for none)."""

    sha: str
    checked_out: str


_MISSING = _Ref("", "")


class WorkBranch:
    """The ref that keeps the work of one loop; `ref` is the full name of the one in use.

    Attributes:
        ref: Where the work is.
        branch: The branch that was asked for; another one is in use where that is not free.
        in_user_tree: Whether the user's own work tree has `branch` checked out.
    """

    def __init__(
        self, git: Git, place: Place, task_id: str, branch: str, warn: Callable[[str], None]
    ) -> None:
        self._git = git
        self._root = place.root
        self._git_dir = place.git_dir
        self._aside = f"refs/loop/{task_id}/work"
        self._warn = warn
        self._left: dict[str, str] = {}
        self._own: frozenset[str] = frozenset()
        self._base = ""
        self._kept: str | None = None
        self._shadows: frozenset[str] = frozenset()
        self.branch = branch
        self.ref = f"{_HEADS}{branch}"
        self.in_user_tree = False

    @property
    def name(self) -> str:
        """The ref in use as git's commands take it, the branch's own name if it is one.

        With the prefix `loop`, `loop/T/work` means `refs/loop/T/work` to git where that exists.
        """
        short = self.ref.removeprefix(_HEADS)
        return f"heads/{short}" if f"refs/{short}" in self._shadows else short

    def open(self, base: str, own: frozenset[str] = frozenset()) -> None:
        """Find where the work of a loop goes that starts at `base` and has made the commits `own`.

        What another loop has left on a ref stays there, unless `base` holds it.
        """
        self._base, self._own = base, own
        found = {} if self._is_unused() else self._look()
        first = self.ref
        tip = found.get(first, _MISSING).sha
        if self._is_ours(first, tip):
            self._left[first] = tip
        ref = self._usable(found, "")
        if ref != self.ref and not self.in_user_tree:
            self._warn(f"{self._why_not(found)} The work is kept on {_short(ref)}.")
        self.ref = ref

    def _is_unused(self) -> bool:
        """Whether no ref of this task is there, and HEAD of no work tree names one."""
        names = [self.ref, f"refs/{self.branch}", self._aside]
        if may_be_checked_out(self._git_dir, self.ref):
            return False
        return not any(self._git.objects.info(names))

    @property
    def left_at(self) -> str:
        """Where the loop left the branch that was asked for; '' if it never had it."""
        return self._left.get(f"{_HEADS}{self.branch}", "")

    def holds(self, sha: str) -> bool:
        """Whether one of the refs of this loop is at `sha`."""
        return any(found.sha == sha for found in self._look().values())

    def keep(self, sha: str) -> None:
        """Move the ref to `sha`, or another one where somebody else has moved or uses it.

        Raises:
            BranchRefused: a branch with a name like the prefix is in the way.
            GitFailed: git cannot write the ref.
        """
        if sha == self._kept:
            return
        if self._move_on(sha):
            return
        for last in (*(False,) * (_RACES - 1), True):
            found = self._look()
            ref = self._usable(found, sha)
            if ref not in {self.ref, f"{_HEADS}{self.branch}"}:
                self._warn(f"{self._why_not(found)} The work is kept on {_short(ref)}.")
            self.ref = ref
            if self._move(ref, sha, found.get(ref, _MISSING).sha, raises=last):
                self._left[ref] = self._kept = sha
                self._remove_aside(found)
                return

    def _move_on(self, sha: str) -> bool:
        """Whether the branch is at `sha` now, by one question to a git that has been started.

        It is not where something else than moving it on from where it was left may be needed.
        """
        last = self._left.get(self.ref)
        if last is None or not self._is_plain or may_be_checked_out(self._git_dir, self.ref):
            return False
        if not self._git.refs.move(self.ref, sha, last):
            return False
        self._left[self.ref] = self._kept = sha
        return True

    @property
    def _is_plain(self) -> bool:
        """Whether the branch that was asked for is in use, and nothing else has its name."""
        return self.ref == f"{_HEADS}{self.branch}" and not self._shadows

    def keep_again(self, sha: str) -> None:
        """Keep the work as `keep` does, where somebody has removed or renamed the ref since.

        A ref that is elsewhere stays there: people push to it.
        """
        if self._is_still_here() or self.ref in self._look():
            return
        self._kept = None
        self.keep(sha)

    def _is_still_here(self) -> bool:
        """Whether the branch is certainly there, and no work tree has it."""
        if not self._is_plain or may_be_checked_out(self._git_dir, self.ref):
            return False
        self.in_user_tree = False
        return self._git.objects.info([self.ref]) != [None]

    def note_moved(self, sha: str) -> None:
        """Record that the checked out branch was fast-forwarded to `sha`."""
        self._left[f"{_HEADS}{self.branch}"] = sha

    def _move(self, ref: str, sha: str, old: str, *, raises: bool) -> bool:
        """Whether the ref is at `sha` now; it is not if somebody moved it meanwhile."""
        if old == sha:
            return True
        try:
            self._git.run("update-ref", "--no-deref", "-m", "loop-kit: work", ref, sha, old)
        except GitFailed as error:
            if raises or self._look().get(ref, _MISSING).sha == old:
                raise self._explained(error, ref) from None
            return False
        return True

    def _remove_aside(self, found: dict[str, _Ref]) -> None:
        """Remove `refs/loop/<task_id>/work` where the branch holds this loop's work again."""
        aside = found.get(self._aside, _MISSING).sha
        if self.ref.startswith(_HEADS) and aside and self._is_ours(self._aside, aside):
            self._git.run("update-ref", "-d", self._aside, aside)
            self._left.pop(self._aside, None)
            self._shadows -= {self._aside}

    def _explained(self, error: GitFailed, ref: str) -> BranchRefused | GitFailed:
        if "exists; cannot create" not in error.sentence:
            return error
        return BranchRefused(
            f"The branch {_short(ref)} cannot be created: {error.sentence}",
            "Rename the branch that is in the way, or choose another `branch-prefix`.",
            anchor="branch-in-the-way",
        )

    def _look(self) -> dict[str, _Ref]:
        """Every ref that may hold the work of this task."""
        done = self._git.run(
            *("for-each-ref", "--format=%(objectname) %(refname)%00%(worktreepath)%00"),
            *(f"{_HEADS}{self.branch}", f"{_HEADS}{self.branch}-*"),
            *(self._aside, f"{self._aside}-*"),
        )
        rows = done.out.decode("utf-8", "surrogateescape").split("\0\n")[:-1]
        found = {}
        for row in rows:
            about, _, tree = row.partition("\0")
            sha, _, name = about.partition(" ")
            found[name] = _Ref(sha, tree)
        self._shadows = frozenset(name for name in found if not name.startswith(_HEADS))
        self.in_user_tree = self._is_here(found.get(f"{_HEADS}{self.branch}", _MISSING))
        return found

    def _usable(self, found: dict[str, _Ref], sha: str) -> str:
        """The first ref that may be moved to `sha`."""
        for ref in self._names():
            ref_now = found.get(ref, _MISSING)
            same = bool(sha) and ref_now.sha == sha
            if not ref_now.checked_out and (same or self._is_ours(ref, ref_now.sha)):
                self._left.setdefault(ref, ref_now.sha)
                return ref
        raise AssertionError

    def _names(self) -> Iterator[str]:
        """The names to try, in this order."""
        branch = f"{_HEADS}{self.branch}"
        yield branch
        base = self._aside if self.in_user_tree else branch
        if self.in_user_tree:
            yield base
        for number in count(2):
            yield f"{base}-{number}"

    def _is_ours(self, ref: str, sha: str) -> bool:
        """Whether a ref that is at `sha` is where this loop left it, or never was another's."""
        if ref in self._left:
            return sha == self._left[ref]
        return not sha or sha in self._own or self._is_in_base(sha)

    def _is_in_base(self, sha: str) -> bool:
        inside = ("merge-base", "--is-ancestor", sha, self._base)
        return self._git.run(*inside, ok=(0, 1, 128)).code == 0

    def _is_here(self, ref: _Ref) -> bool:
        return bool(ref.checked_out) and Path(ref.checked_out).resolve() == self._root.resolve()

    def _why_not(self, found: dict[str, _Ref]) -> str:
        at = found.get(f"{_HEADS}{self.branch}", _MISSING).checked_out
        if at:
            return f"{self.branch} is checked out in {at}, and is not moved under it."
        return f"{self.branch} is not where the loop left it, and stays as it is."


def may_be_checked_out(git_dir: Path, ref: str) -> bool:
    """Whether a work tree of the repository may have `ref` checked out: by its files of HEAD."""
    try:
        trees = git_dir / "worktrees"
        folders = [git_dir, *(trees.iterdir() if trees.is_dir() else ())]
        heads = [_head(folder / "HEAD") for folder in folders]
    except OSError:
        return True
    return any(head in {None, f"ref: {ref}".encode()} for head in heads)


def _head(path: Path) -> bytes | None:
    """What HEAD is, as git writes it in a file; None if it is kept elsewhere."""
    content = b"" if path.is_symlink() else path.read_bytes().strip()
    is_plain = content.startswith(b"ref: refs/") or _ID.fullmatch(content)
    return content if is_plain and not content.endswith(b"/.invalid") else None


def _short(ref: str) -> str:
    return ref.removeprefix(_HEADS)
