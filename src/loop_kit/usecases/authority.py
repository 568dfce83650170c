"""Who may have a loop run: people with write access, and the bots that the operator names.

The API is asked, about everybody who had a hand in starting the job. A label proves nothing (triage
may set one), nor does a payload's `author_association`. A continuation by a bot is no matter of its
name: it is good when it fits what the state recorded, and then its starter is asked about.
"""

from collections.abc import Collection

from loop_kit.adapters.runner.job import is_allowed_bot, is_bot
from loop_kit.errors import ForgeRefused
from loop_kit.ports import Forge


class Authority:
    """Asks about each login once."""

    def __init__(
        self,
        forge: Forge,
        repository: str,
        allowed_bots: Collection[str],
        known_bots: Collection[str] = (),
    ) -> None:
        """`known_bots` are logins that the event calls a bot's, whatever they look like."""
        self._known_bots = known_bots
        self._forge = forge
        self._repository = repository
        self._allowed_bots = allowed_bots
        self._known: dict[str, bool] = {}

    def may(self, login: str, type_: str = "") -> bool:
        """Whether this account may have a loop run; `type_` is what an event says about it."""
        if login in self._known_bots or is_bot(login, type_):
            return is_allowed_bot(login, self._allowed_bots)
        if login not in self._known:
            self._known[login] = self._forge.may_write(login)
        return self._known[login]

    def require(self, logins: Collection[str]) -> None:
        """Refuse unless there is somebody, and every one of them may.

        Raises:
            ForgeRefused: one of them may not.
        """
        named = tuple(filter(None, logins))
        if not named:
            raise ForgeRefused(
                "Nobody is named who started this.",
                "Start the loop by hand.",
                anchor="not-allowed-to-start",
            )
        for login in named:
            if not self.may(login):
                bot = is_bot(login, "")
                remedy = "Name it in `allowed-bots`" if bot else "Let somebody with write access"
                raise ForgeRefused(
                    f"{login} may not write to {self._repository}.",
                    f"{remedy}{', or start the loop by hand.' if bot else ' start the loop.'}",
                    anchor="not-allowed-to-start",
                )
