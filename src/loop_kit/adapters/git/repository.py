"""Queries to git about the commits of a loop."""

import contextlib
import shlex
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from pathlib import Path

from loop_kit.adapters.git.command import Git, GitPrintedTooMuch
from loop_kit.adapters.git.history import History, NotPlain
from loop_kit.adapters.git.leaks import LeakSearch
from loop_kit.adapters.git.patches import Patches
from loop_kit.adapters.git.raw_log import RawCommit, parse_log, read_log
from loop_kit.adapters.git.tree_files import TreeFiles, literal_folder
from loop_kit.adapters.git.tree_names import TreeNames, is_path_on_one_line
from loop_kit.core.card.globs import match_rules
from loop_kit.core.card.scope import SYMLINK, Commit, Violation
from loop_kit.core.command_words import quoted
from loop_kit.core.loop.provenance import Spot
from loop_kit.core.secrets.forms import Forms
from loop_kit.errors import GitFailed, LoopError, NotARepository
from loop_kit.frozen import frozen
from loop_kit.ports import Diff, Span

_MAX_FILE = 1024 * 1024
_MAX_LINK = 4096
_FOUND = ("blob", "tree")
_NEXT = "--loop-kit-next"
_TRUST = "git config --global --add safe.directory"
_FILE_MODES = frozenset({"100644", "100755"})

_WITH_COUNTS = ("--raw", "--numstat", "--patch")
_DIFF = (
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-relative",
    "--full-index",
    "--find-renames",
    "--diff-algorithm=myers",
    "--submodule=short",
    "--ignore-submodules=none",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--unified=3",
    "--inter-hunk-context=0",
)


@frozen
class Place:
    """Where a repository is: its root, its git directory, and the commit checked out."""

    root: Path
    git_dir: Path
    head: str
    branch: str


def locate(git: Git) -> Place:
    """The repository that `git.directory` is in, found from any subfolder.

    Raises:
        NotARepository: there is no repository, it is bare or not trusted, or it has no commit.
    """
    # A path may hold line ends; the option that git does not know is printed between the two.
    done = git.run(
        *("rev-parse", "--path-format=absolute", "--show-toplevel", _NEXT, "--git-common-dir"),
        *("HEAD", "--symbolic-full-name", "HEAD"),
        ok=(0, 128),
    )
    out = done.out.decode("utf-8", "surrogateescape").removesuffix("\n")
    root, found, rest = out.partition(f"\n{_NEXT}\n")
    if not found:
        raise _no_work_tree(git, done.err.decode("utf-8", "replace"))
    if done.code:
        raise NotARepository(
            f"The git repository {root} has no commit.",
            "Make a first commit: a loop needs one to compare with.",
            anchor="repository-without-commit",
        )
    git_dir, head, branch = rest.rsplit("\n", 2)
    return Place(Path(root), Path(git_dir), head, branch.removeprefix("refs/heads/"))


def _no_work_tree(git: Git, error: str) -> NotARepository:
    """Why there is no work tree here, and what the user can do."""
    if "dubious ownership" in error:
        advice = [line.strip() for line in error.splitlines() if _TRUST in line]
        folder = quoted(str(git.directory), windows=sys.platform == "win32")
        return NotARepository(
            f"git does not trust the repository at {git.directory}: it belongs to another user.",
            f"Run: {advice[0] if advice else f'{_TRUST} {folder}'}",
            anchor="repository-not-trusted",
        )
    if "must be run in a work tree" in error:
        return NotARepository(
            f"{git.directory} is not in a git work tree: it is a bare repository or a .git folder.",
            "Change to a work tree of it, or make one: git worktree add ../work",
        )
    if git.exported_git_dir:
        return NotARepository(
            f"{git.directory} is not in a git work tree: it has no .git,"
            " and the exported GIT_DIR is ignored.",
            f"Link them: echo {shlex.quote(f'gitdir: {git.exported_git_dir}')} > .git",
        )
    return NotARepository(
        f"{git.directory} is not in a git work tree.", "Change to your repository, or: git init"
    )


class GitRepository:
    """The repository that the loop's commits are in."""

    def __init__(self, git: Git, obtain: Callable[..., None] | None = None) -> None:
        """`obtain` fetches commits that are not here, where a server has them."""
        self._git = git
        self._obtain = obtain
        self._patches = Patches(git, (*_DIFF, *_WITH_COUNTS))
        self._tree_names = TreeNames(git.starter())
        self._last_diff: tuple[str, str, Diff] | None = None
        self._last_commits: tuple[tuple[str, ...], list[RawCommit]] | None = None

    def read(self, sha: str, path: str) -> bytes | None:
        """The file `path` at commit `sha`, or None; at most 1 MiB."""
        if is_path_on_one_line(path):
            return self._git.objects.read(f"{sha}:{path}", "blob", _MAX_FILE)
        try:
            done = self._git.run("cat-file", "blob", f"{sha}:{path}", ok=(0, 128), limit=_MAX_FILE)
        except GitPrintedTooMuch:
            return None
        return done.out if done.code == 0 else None

    def read_many(self, sha: str, paths: Sequence[str]) -> Mapping[str, bytes]:
        """Those of the files `paths` that there are at commit `sha`, by one git process or none.

        A link is followed as long as it stays inside the commit.
        """
        paths = [path for path in paths if "\n" not in path]
        with contextlib.suppress(NotPlain):
            return self._files(sha).read(paths, _MAX_FILE)
        stdin = "".join(f"{sha}:{path}\n" for path in paths).encode(errors="surrogateescape")
        limit = _MAX_FILE * 4
        try:
            batch = ("cat-file", "--batch", "--follow-symlinks")
            done = self._git.run(*batch, stdin=stdin, limit=limit)
        except GitPrintedTooMuch:
            found = ((path, self.read(sha, path)) for path in paths)
            return {path: content for path, content in found if content is not None}
        return dict(_parse_batch(paths, done.out))

    def top(self, sha: str) -> tuple[str, ...]:
        """The names at the top of the tree of commit `sha`."""
        tree = self._git.objects.tree(f"{sha}^{{tree}}")
        if tree is not None:
            return tuple(tree)
        return _names(self._git.run("ls-tree", "--name-only", "-z", sha).out)

    def existing(self, shas: Sequence[str], paths: Collection[str]) -> frozenset[str]:
        """Those of `paths`, files or folders, that one of the commits `shas` has."""
        asked = [(sha, path) for path in paths if is_path_on_one_line(path) for sha in shas]
        found = self._git.objects.info([f"{sha}:{path}" for sha, path in asked])
        pairs = zip(asked, found, strict=True)
        return frozenset(path for (_, path), about in pairs if about and about.kind in _FOUND)

    def matching_files(self, sha: str, patterns: Sequence[str], limit: int) -> tuple[str, ...]:
        """The first `limit` files of commit `sha` that match `patterns` (gitignore style).

        Only the folders that the patterns begin with are listed.
        """
        folders = {literal_folder(pattern) for pattern in patterns}
        below = () if "" in folders else tuple(sorted(folders))
        rules = match_rules(patterns)
        with contextlib.suppress(NotPlain):
            names: Iterable[str] = self._files(sha).names(below)
            return tuple(islice(rules.match_files(names), limit))
        command = ("ls-tree", "-r", "--name-only", "-z", "--full-tree", sha, "--", *below)
        return tuple(islice(rules.match_files(_names(self._git.run(*command).out)), limit))

    def _files(self, sha: str) -> TreeFiles:
        return TreeFiles(self._git.objects, self._tree_names, sha)

    def resolve(self, revision: str) -> str | None:
        """The full id of the commit that `revision` names; None if there is no such commit."""
        done = self._git.run(
            *("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"),
            ok=(0, 1, 128),
        )
        return done.out.decode().strip() if done.code == 0 else None

    def span(self, parent: str, head: str, base_tip: str = "") -> Span:
        """The changes between two commits, per commit and newest first, without those of others."""
        commits, descends = self._commits(parent, head, base_tip)
        span = self._with_details(parent, head, commits, descends=descends)
        if not any(commit.base for commit in commits):
            return span
        from loop_kit.adapters.git.merging import merge_base

        return replace(span, merged=merge_base(self._git, base_tip, head))

    def leaks(
        self, parent: str, head: str, forms: Forms, base_tip: str = ""
    ) -> tuple[Violation, ...]:
        """The secrets in the commits between two, in files, paths, messages and names."""
        return LeakSearch(self._git.objects, forms).find(self._commits(parent, head, base_tip)[0])

    def _commits(self, parent: str, head: str, base_tip: str) -> tuple[list[RawCommit], bool]:
        """The commits between two, newest first, and whether the later builds on the earlier."""
        known = self._last_commits
        if known is not None and known[0] == (parent, head, base_tip):
            return known[1], True
        try:
            commits, descends = History(self._git.objects).line(parent, head), True
        except NotPlain:
            commits, descends = self._log(parent, head, base_tip)
        self._last_commits = ((parent, head, base_tip), commits) if descends else None
        return commits, descends

    def _log(self, parent: str, head: str, base_tip: str) -> tuple[list[RawCommit], bool]:
        from loop_kit.adapters.git.merging import find_base_merges, is_ancestor

        others = bool(base_tip) and is_ancestor(self._git, parent, head)
        between = (f"^{parent}", f"^{base_tip}", head) if others else (f"{parent}...{head}",)
        sides, commits = read_log(self._git, *between)
        if others:
            commits = find_base_merges(self._git, commits, base_tip)
        return commits, "<" not in sides

    def net_change(self, parent: str, head: str) -> Commit:
        """Everything between two commits as if it were one."""
        try:
            change = History(self._git.objects).between(parent, head)
        except (NotPlain, GitFailed):
            change = self._net_change_as_git_has_it(parent, head)
        return self._with_details(parent, head, [change], descends=True).commits[0]

    def _net_change_as_git_has_it(self, parent: str, head: str) -> RawCommit:
        if self._obtain is not None:
            with contextlib.suppress(LoopError):
                self._obtain(parent, head)
        done = self._git.run(
            *("diff", "--raw", "--no-renames", "--no-abbrev", "--no-ext-diff", "-z"),
            *("--ignore-submodules=none", parent, head, "--"),
        )
        raw = f"\x01>{head} {parent}\x02\x00" + done.out.decode("utf-8", "surrogateescape")
        return parse_log(raw)[1][0]

    def diff(self, base: str, head: str, limit: int, patch: Path) -> Diff:
        """The diff from `base` to `head`; over `limit` bytes the whole of it stays in `patch`."""
        if self._last_diff is not None and self._last_diff[:2] == (base, head):
            return self._last_diff[2]
        patch.parent.mkdir(parents=True, exist_ok=True)
        args = ("diff", *_DIFF, *_WITH_COUNTS, base, head, "--")
        if not self._patches.write(base, head, patch):
            self._git.run(*args, stdout=patch, timeout=120)
        if _changes_attributes(patch):
            self._run_with_attributes_of(base, args, patch)
        paths: list[str] = []
        changed_lines: list[int] = []
        added = deleted = 0
        with patch.open("rb") as stream:
            for line in stream:
                if not line.strip():
                    break
                if line.startswith(b":"):
                    paths.append(_raw_path(line))
                    continue
                plus, minus, _ = line.split(b"\t", 2)
                counts = [int(n) if n.isdigit() else 0 for n in (plus, minus)]
                changed_lines.append(sum(counts))
                added, deleted = added + counts[0], deleted + counts[1]
            text = stream.read(limit + 1)
        truncated = len(text) > limit
        if not truncated:
            patch.unlink()
        diff = Diff(
            text=text[:limit].decode("utf-8", "replace"),
            truncated=truncated,
            patch=patch if truncated else None,
            files=len(paths),
            lines_added=added,
            lines_deleted=deleted,
            paths=tuple(paths),
            changed_lines=tuple(changed_lines),
        )
        self._last_diff = (base, head, diff)
        return diff

    def origins(
        self, bases: Sequence[str], heads: Sequence[str], places: Sequence[Spot]
    ) -> Mapping[Spot, str | None]:
        """For each place as it is at the last of `heads`: which of the commits brought it in."""
        from loop_kit.adapters.git.origins import find_origins

        return find_origins(self._git, self._obtain, bases, heads, places)

    def write_patch(self, base: str, head: str, patch: Path) -> None:
        """Write the whole diff, binary files included, to `patch`, so that it can be applied."""
        self._git.run("diff", *_DIFF, "--binary", base, head, "--", stdout=patch, timeout=120)

    def _run_with_attributes_of(self, sha: str, args: tuple[str, ...], patch: Path) -> None:
        """Run a diff in which git reads .gitattributes at `sha` and nowhere else.

        A worker could hide its change by calling a file binary. Git looks into the work tree first
        and into the index where a file is missing there: so an empty tree, and an index of `sha`.
        """
        with tempfile.TemporaryDirectory(prefix="loop-kit-") as folder:
            env = {
                "GIT_DIR": self._git.text("rev-parse", "--absolute-git-dir"),
                "GIT_WORK_TREE": folder,
                "GIT_INDEX_FILE": str(Path(folder) / ".index"),
            }
            inside = self._git.at(Path(folder))
            inside.run("read-tree", sha, env=env, timeout=120)
            command = ("ls-files", "-z", "--", ":(glob)**/.gitattributes")
            names = inside.run(*command, env=env).out
            inside.run("checkout-index", "--quiet", "-z", "--stdin", stdin=names, env=env)
            inside.run(*args, stdout=patch, env=env, timeout=120)

    def _with_details(
        self, parent: str, head: str, commits: list[RawCommit], *, descends: bool
    ) -> Span:
        """The span with what `log` does not print: trees, sizes, and the targets of links."""
        oids = sorted({c.oid for raw in commits for c in raw.changes if c.is_blob})
        trees = [f"{parent}^{{tree}}", f"{head}^{{tree}}"]
        before, after, *found = self._git.objects.info([*trees, *oids])
        if before is None or after is None:
            raise GitFailed(
                f"{head[:10]} or {parent[:10]} is not here.",
                "Fetch it, run again.",
                anchor="commit-missing",
            )
        sizes = {about.oid: about.size for about in found if about}
        links = {c.oid for raw in commits for c in raw.changes if c.new_mode == SYMLINK}
        targets = {oid: self._link(oid) for oid in sorted(links) if sizes.get(oid, 0) <= _MAX_LINK}
        return Span(
            descends=descends,
            same_tree=before.oid == after.oid,
            commits=tuple(raw.commit(sizes, targets) for raw in commits),
        )

    def _link(self, oid: str) -> str:
        target = self._git.objects.read(oid, "blob", _MAX_LINK) or b""
        return target.decode("utf-8", "surrogateescape").rstrip("\n")


def changed_files(git: Git, before: str, after: str, folder: str) -> tuple[str, ...]:
    """Paths of regular files below `folder` that differ at `after`; all of them without `before`.

    Both commits have to be here. Links and submodules are left out: they have no text of their own.
    """
    if before:
        diff = ("diff", "--raw", "-z", "--no-renames", "--diff-filter=AM", before, after)
        fields = git.run(*diff, "--", folder).out.decode("utf-8", "replace").split("\0")
        rows = zip(fields[::2], fields[1::2], strict=False)
        found = [path for row, path in rows if row.split(" ")[1] in _FILE_MODES]
    else:
        tree = ("ls-tree", "-r", "-z", "--full-tree", after)
        lines = git.run(*tree, "--", folder).out.decode("utf-8", "replace").split("\0")
        entries = (line.partition("\t") for line in lines)
        found = [path for row, _, path in entries if row[:6] in _FILE_MODES]
    return tuple(sorted(found))


def _changes_attributes(patch: Path) -> bool:
    """Whether the diff in `patch` is of a .gitattributes too, by the list that it begins with."""
    with patch.open("rb") as stream:
        return any(
            b".gitattributes" in line
            for line in takewhile(lambda line: line.startswith(b":"), stream)
        )


def _raw_path(line: bytes) -> str:
    """The path in a line of `diff --raw`, the new one of a rename; git quotes some as C does."""
    path = line.rstrip(b"\n").rpartition(b"\t")[2]
    if path.startswith(b'"'):
        path = path[1:-1].decode("unicode_escape").encode("latin-1")
    return path.decode("utf-8", "backslashreplace")


def _names(raw: bytes) -> tuple[str, ...]:
    return tuple(raw.decode("utf-8", "surrogateescape").split("\0")[:-1])


def _parse_batch(paths: Sequence[str], raw: bytes) -> Iterator[tuple[str, bytes]]:
    """The blobs in what `cat-file --batch` prints, in the order of `paths`."""
    at = 0
    for path in paths:
        end = raw.index(b"\n", at)
        *kind, size = raw[at:end].rsplit(b" ", 2)
        at = end + 1
        if size.isdigit():
            content = raw[at : at + int(size)]
            at += int(size) + 1
            if kind[-1] == b"blob" and len(content) <= _MAX_FILE:
                yield path, content
