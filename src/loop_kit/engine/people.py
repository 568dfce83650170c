"""Reads what people wrote in reviews since the last time, and carries out the commands in it.

Nothing is pushed or posted here: what follows is made durable with the push that starts the next
agent, and only then answered. A forge that cannot be asked stops no loop, and one that refuses is
not asked again in this loop, unless a person continues it. Whether the issue and the pull request
are open comes with the answer; where a worker is claimed next, it is not asked again.
"""

from collections.abc import Callable
from dataclasses import replace

from loop_kit.core.forge.heading import heading
from loop_kit.core.forge.replies import command_answer
from loop_kit.core.loop import outbox, people
from loop_kit.core.loop.checking import is_approval_held
from loop_kit.core.loop.commands import Command, Misspelt
from loop_kit.core.loop.conversation import PeopleRead
from loop_kit.core.loop.messages import Commanded
from loop_kit.core.loop.state import Limits, LoopState, Phase
from loop_kit.engine.engine import Engine
from loop_kit.errors import ForgeRefused, ForgeUnavailable
from loop_kit.ports import Forge

Prepare = Callable[[Command, LoopState], Command | str]
"""A command with what it needs to be carried out, or why it can change nothing."""


class PeopleReader:
    """Reads for one loop; `limits` are the operator's, under which commands are carried out."""

    def __init__(
        self, forge: Forge, now: Callable[[], str], limits: Limits, prepare: Prepare
    ) -> None:
        self._forge = forge
        self._now = now
        self._limits = limits
        self._prepare = prepare
        self._warned: set[str] = set()

    def read(self, engine: Engine) -> None:
        """Record what is new; one request as a rule, and none where there is no pull request."""
        state = engine.state
        if state.pull_request is None or "reviews" in state.left_out:
            return
        try:
            status, found = self._forge.read_pull(
                state.pull_request,
                state.source.issue,
                outbox.posted_reviews(state),
                state.seen_posts,
                state.head_sha if _asks_for_checks(state) else "",
            )
        except ForgeRefused as error:
            engine.reporter.warn(f"The reviews of people are not read in this loop: {error}")
            engine.record(PeopleRead((), refused=True))
            return
        except ForgeUnavailable as error:
            engine.reporter.warn(f"The reviews of people could not be read: {error}")
            return
        for sentence in found.unread:
            if sentence not in self._warned:
                engine.reporter.warn(sentence)
        self._warned.update(found.unread)
        read = people.read_conversation(state, found)
        if read is not None:
            answers = tuple(
                (post.id, self._carry_out(engine, command))
                for post in read.posts
                if (command := people.command_in(post)) is not None
            )
            engine.record(replace(read, answers=answers))
        if engine.cancellation is not None and engine.state.state is Phase.AWAITING_WORK:
            engine.cancellation.learn(status)

    def _carry_out(self, engine: Engine, command: Command | Misspelt) -> str:
        """The answer to a command, after it was carried out."""
        if isinstance(command, Misspelt):
            return command.sentence
        if command.verb == "status":
            return heading(engine.state).text
        prepared = self._prepare(command, engine.state)
        if isinstance(prepared, str):
            return prepared
        before = engine.state
        engine.record(Commanded(prepared, self._now(), self._limits))
        return command_answer(prepared, before, engine.state)


def _asks_for_checks(state: LoopState) -> bool:
    """Whether the checks of the head are read next."""
    return is_approval_held(state) and state.limits.checks == "findings"
