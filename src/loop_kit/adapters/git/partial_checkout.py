"""Fetches what a partial checkout (`filter:` or `sparse-checkout:` of actions/checkout) left out.

And what a shallow one did not get: commits of earlier rounds, when somebody asks for them.

git would fetch each missing object when it needs it: one request each, with whatever credential
is configured, and not at all for the clones that are made from the checkout. So everything that a
commit needs is fetched before it is read or cloned: by one request, with the job's token, from the
server itself. A clone does not know that more could be fetched.
"""

from collections.abc import Mapping

from loop_kit.adapters.git.command import FETCH, Git
from loop_kit.adapters.git.remote import Remote, ask_server
from loop_kit.errors import BranchRefused, LoopError

_HEAD = "refs/loop-kit-head"
_PROMISED = r"^(remote\..*\.promisor|extensions\.partialclone)$"


class PartialCheckout:
    """A checkout that may be partial, and the server that has the rest of it."""

    def __init__(self, git: Git, remote: Remote) -> None:
        self._git = git
        self._remote = remote
        query = ("config", "--local", "--get-regexp", _PROMISED)
        self.partial = git.run(*query, ok=(0, 1)).code == 0

    def complete(self, *shas: str) -> None:
        """Fetch every file and folder of those commits `shas` that are here.

        Raises:
            BranchRefused: the server refuses them.
        """
        wanted = [sha for sha in dict.fromkeys(shas) if sha]
        if not self.partial or not wanted:
            return
        listing = self._git.run(
            *("rev-list", "--objects", "--no-object-names", "--missing=print", "--no-walk"),
            *("--ignore-missing", "--end-of-options", *wanted),
            timeout=120,
        ).out.decode()
        missing = [line[1:] for line in listing.splitlines() if line.startswith("?")]
        if missing:
            self._fetch(missing)

    def obtain(self, *shas: str) -> None:
        """Fetch those of the commits that a shallow checkout does not hold, without their history.

        Raises:
            BranchRefused: the server does not have one of them, or does not answer.
        """
        if self._git.text("rev-parse", "--is-shallow-repository") == "true":
            missing = [sha for sha in shas if not self._git.has(sha)]
            command = (*FETCH, "--depth=1", "--", self._remote.url, *missing)
            if missing and ask_server(self._git, self._remote, *command).code:
                raise BranchRefused(
                    f"{', '.join(sha[:10] for sha in missing)} cannot be fetched.",
                    "Check that the work branch holds every round of the loop.",
                    anchor="commit-missing",
                )
        self.complete(*shas)

    def refetch(self, refs: Mapping[str, str]) -> bool:
        """Fetch the commits of a repository that lost its objects; whether all are here since."""
        arrived = [self._refetch(ref, sha) for ref, sha in refs.items()]
        return all(arrived)

    def _refetch(self, ref: str, sha: str) -> bool:
        beside = _HEAD if ref == "HEAD" else ref
        command = (*FETCH, "--no-filter", "--depth=1", "--", self._remote.url, f"+{sha}:{beside}")
        try:
            if ask_server(self._git, self._remote, *command).code:
                return False
            if beside == _HEAD:
                self._git.run("update-ref", ref, sha)
        except LoopError:
            return False
        return True

    def _fetch(self, missing: list[str]) -> None:
        """One request for all: a folder comes with everything below it.

        No commits are negotiated, or the server would leave out what it believes to be here.
        """
        done = ask_server(
            *(self._git, self._remote),
            *("-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--no-tags"),
            *("--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance"),
            *("--no-filter", "--stdin", self._remote.url),
            stdin="".join(f"{oid}\n" for oid in missing).encode(),
        )
        if done.code:
            message = " ".join(done.err.decode("utf-8", "replace").split())[-300:]
            raise BranchRefused(
                f"The partial checkout cannot be completed: {message}",
                "Check the token, or check out without `filter`.",
                anchor="commit-missing",
            )
