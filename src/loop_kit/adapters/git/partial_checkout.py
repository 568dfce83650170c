"""Brings what a partial checkout (`filter:` or `sparse-checkout:` of actions/checkout) left out.

git would fetch each missing object when it stumbles upon it: one request each, with whatever
credential lies about, and not at all for the clones that are made from the checkout. So everything
that a commit needs is brought before it is read or cloned: by one request, with the job's token,
from the server itself. Nothing in a clone knows that there is more to be had.
"""

from collections.abc import Mapping

from loop_kit.adapters.git.command import Git
from loop_kit.errors import BranchRefused

_PROMISED = r"^(remote\..*\.promisor|extensions\.partialclone)$"


class PartialCheckout:
    """Knows whether the checkout is partial, and completes commits in it."""

    def __init__(self, git: Git, url: str, authorization: Mapping[str, str]) -> None:
        self._git = git
        self._url = url
        self._authorization = authorization
        asked = ("config", "--local", "--get-regexp", _PROMISED)
        self.partial = git.run(*asked, ok=(0, 1)).code == 0

    def complete(self, *shas: str) -> None:
        """Bring every file and folder of those of the commits `shas` that are here themselves.

        Raises:
            BranchRefused: the server does not hand them out.
        """
        wanted = [sha for sha in dict.fromkeys(shas) if sha]
        if not self.partial or not wanted:
            return
        listed = self._git.run(
            *("rev-list", "--objects", "--no-object-names", "--missing=print", "--no-walk"),
            *("--ignore-missing", "--end-of-options", *wanted),
            timeout=120,
        ).out.decode()
        missing = [line[1:] for line in listed.splitlines() if line.startswith("?")]
        if missing:
            self._fetch(missing)

    def _fetch(self, missing: list[str]) -> None:
        """One request for all: a folder that is asked for comes with everything below it.

        Nothing is offered in exchange, or the server would leave out what it believes to be here.
        """
        done = self._git.run(
            *("-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--no-tags"),
            *("--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance"),
            *("--no-filter", "--stdin", self._url),
            stdin="".join(f"{oid}\n" for oid in missing).encode(),
            ok=range(256),
            env=self._authorization,
            timeout=600,
        )
        if done.code:
            said = " ".join(done.err.decode("utf-8", "replace").split())[-300:]
            raise BranchRefused(
                f"The partial checkout cannot be completed: {said}",
                "Check the token, or check out without `filter`.",
            )
