"""Rewrites the commits of a worker, before anybody judges, reviews or pushes them.

A commit acts by its words: its message closes issues, skips CI or pings people where it is pushed,
and its author is whom it names. So each becomes what the loop would have written: our author, a
message that does nothing, dates near those of the commit before, and trailers that say where it
is from. Its tree stays as it is, and so does the shape of the history.

What has that form already keeps its id, as does everything below it: nothing is written then, and a
rewriting that was interrupted is repeated with the same ids.
"""

import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from loop_kit.adapters.git.command import Git, Identity
from loop_kit.core.text.plain_words import commit_message
from loop_kit.errors import GitFailed
from loop_kit.frozen import frozen

_MAX_COMMITS = 1_000
_MAX_COMMIT = 256 * 1024
_DAY = 24 * 3600
_SHA1_LENGTH = 40
_WHO = re.compile(rb".{0,2000} (?P<at>\d{1,12}) (?P<zone>[+-](?:0\d|1[0-4])[0-5]\d)")

Trailers = Callable[[str], Sequence[str]]


def no_trailers(message: str) -> Sequence[str]:
    """No last lines, whatever the message is."""
    del message
    return ()


@frozen
class _Commit:
    raw: bytes
    tree: bytes
    parents: tuple[str, ...]
    author: bytes
    committer: bytes
    message: bytes


class Rewriter:
    """Rewrites commits of one repository as those of `identity`; `now` are seconds since 1970.

    `trailers` gives the last lines of what becomes of a message.
    """

    def __init__(
        self, git: Git, identity: Identity, now: float, trailers: Trailers = no_trailers
    ) -> None:
        self._git = git
        self._who = str(identity).encode()
        self._now = now
        self._trailers = trailers
        self._ids: dict[str, str] = {}
        self._new: dict[str, bytes] = {}

    def add(self, tree: str, message: str, parents: Sequence[str]) -> str:
        """Make a commit, of which only what it becomes is written; its id until then."""
        when = f" {self._now:.0f} {time.strftime('%z', time.localtime(self._now))}".encode()
        lines = [b"tree " + tree.encode(), *(b"parent " + parent.encode() for parent in parents)]
        lines += [b"author " + self._who + when, b"committer " + self._who + when]
        raw = b"\n".join(lines) + b"\n\n" + message.encode() + b"\n"
        sha = _id(raw, len(tree))
        self._new[sha] = raw
        return sha

    def rewrite(self, head: str, known: Collection[str]) -> str:
        """The commit that `head` becomes, with all that is below it, written.

        Raises:
            GitFailed: see `rewritten`; or git cannot write.
        """
        new = self.rewritten(head, known)
        self._write()
        return new

    def rewritten(self, head: str, known: Collection[str]) -> str:
        """The id of what `head` becomes; the commits `known`, and what they hold, stay.

        Where `head` builds on none of them it stays as it is: whoever asked refuses it.

        Raises:
            GitFailed: there are too many commits, or one is too large.
        """
        for sha in self._commits(head, known):
            self._rewrite_one(sha)
        return self._ids.get(head, head)

    def _commits(self, head: str, known: Collection[str]) -> list[str]:
        """The commits to be rewritten, each after its parents."""
        found: list[str] = []
        at = head
        while at not in known:
            commit = self._find(at)
            if commit is None or not commit.parents:
                return []
            if len(commit.parents) > 1 or len(found) == _MAX_COMMITS:
                return self._listed(head, known)
            found.append(at)
            at = commit.parents[0]
        return found[::-1]

    def _listed(self, head: str, known: Collection[str]) -> list[str]:
        """The same as git lists them; what a merge brings in that a branch has is not new."""
        self._write()
        inside = (("merge-base", "--is-ancestor", sha, head) for sha in known)
        if all(self._git.run(*query, ok=(0, 1, 128)).code for query in inside):
            return []
        listing = self._git.text(
            *("rev-list", "--topo-order", "--reverse", f"--max-count={_MAX_COMMITS + 1}", head),
            *("--not", *known, "--exclude=refs/loop-kit/*", "--all"),
        ).split()
        if len(listing) > _MAX_COMMITS:
            raise GitFailed(
                f"The worker made more than {_MAX_COMMITS} commits.", "Make fewer commits."
            )
        return listing

    def _rewrite_one(self, sha: str) -> None:
        if sha in self._ids:
            return
        old = self._find(sha)
        if old is None:
            raise GitFailed(
                f"The commit {sha[:10]} is not here.",
                "Fetch it and run again.",
                anchor="commit-missing",
            )
        parents = [self._ids.get(parent, parent) for parent in old.parents]
        before = self._date(parents[0]) if parents else 0
        lines = [b"tree " + old.tree, *(b"parent " + parent.encode() for parent in parents)]
        lines.append(b"author %s %s" % (self._who, self._sane(old.author, before)))
        lines.append(b"committer %s %s" % (self._who, self._sane(old.committer, before)))
        text = _text(old.message)
        message = commit_message(text, self._trailers(text)).encode()
        raw = b"\n".join(lines) + b"\n\n" + message
        self._ids[sha] = sha
        if raw != old.raw:
            new = self._ids[sha] = _id(raw, len(sha))
            self._new.pop(sha, None)
            self._new[new] = raw

    def _sane(self, who: bytes, before: int) -> bytes:
        """The date in a line of a commit, if it is near the commit before and not to come."""
        found = _WHO.fullmatch(who)
        if found is None:
            return b"%d +0000" % before
        at = int(found["at"])
        is_sane = before - _DAY <= at <= self._now + _DAY
        return b"%d %s" % (at if is_sane else before, found["zone"])

    def _date(self, sha: str) -> int:
        """When a commit was made; 0 where nothing says so."""
        raw = self._raw(sha)
        found = _WHO.fullmatch(_parse(raw).committer) if raw else None
        return int(found["at"]) if found else 0

    def _raw(self, sha: str) -> bytes | None:
        return self._new.get(sha) or self._git.objects.read(sha, "commit", _MAX_COMMIT)

    def _find(self, sha: str) -> _Commit | None:
        """A commit; None if it is not here.

        Raises:
            GitFailed: it is too large.
        """
        raw = self._raw(sha)
        if raw is not None:
            return _parse(raw)
        (about,) = self._git.objects.info([sha])
        if about is None:
            return None
        raise GitFailed(
            f"The message of the commit {sha[:10]} is too long: {about.size} bytes.",
            "Commit it again with a short message.",
        )

    def _write(self) -> None:
        """Have git write the new commits, in the order of their parents."""
        if not self._new:
            return
        with tempfile.TemporaryDirectory(prefix="loop-kit-") as folder:
            for sha, raw in self._new.items():
                path = Path(folder) / sha
                path.write_bytes(raw)
                if self._git.objects.write_commit(path) != sha:
                    raise GitFailed("git wrote another commit than it was given.", "Run it again.")
        self._new.clear()


def _parse(raw: bytes) -> _Commit:
    head, _, message = raw.partition(b"\n\n")
    fields: dict[bytes, list[bytes]] = {}
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        fields.setdefault(name, []).append(value)
    first: Mapping[bytes, bytes] = {name: values[0] for name, values in fields.items()}
    return _Commit(
        raw=raw,
        tree=first.get(b"tree", b""),
        parents=tuple(value.decode("ascii", "replace") for value in fields.get(b"parent", ())),
        author=first.get(b"author", b""),
        committer=first.get(b"committer", b""),
        message=message,
    )


def _text(message: bytes) -> str:
    """A message as text; few commits name another encoding, and Latin-1 reads them all."""
    try:
        return message.decode()
    except UnicodeDecodeError:
        return message.decode("latin-1")


def _id(raw: bytes, length: int) -> str:
    """The id that git gives a commit, in a repository whose ids have that length."""
    kind = hashlib.sha1(usedforsecurity=False) if length == _SHA1_LENGTH else hashlib.sha256()
    kind.update(b"commit %d\0" % len(raw))
    kind.update(raw)
    return kind.hexdigest()
