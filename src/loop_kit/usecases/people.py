"""What people wrote in reviews, read by a job before it works on a loop, and by the sweep.

Their events are not subscribed to: for these a runner takes the workflow file of the pull request,
which agents may have written.
"""

from loop_kit.adapters.system_clock import SystemClock
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.state import Limits, LoopState
from loop_kit.core.text.harmless import inline
from loop_kit.engine import Engine
from loop_kit.engine.people import PeopleReader
from loop_kit.errors import LoopError
from loop_kit.usecases.cards import Cards
from loop_kit.usecases.commands import command_problem, with_current_card
from loop_kit.usecases.job_context import JobContext


def read_people(context: JobContext, engine: Engine, limits: Limits) -> None:
    """Record what people wrote since the last time; `limits` are the operator's."""

    def prepare(command: Command, state: LoopState) -> Command | str:
        problem = command_problem(context, engine.card, state, command)
        if problem is not None or command.verb != "refresh":
            return problem or command
        cards = Cards(
            *(context.checkout, context.forge, context.settings),
            *(context.invocation.repository, context.invocation.default_branch, context.layers),
        )
        try:
            return with_current_card(context, cards, command, state)
        except LoopError as error:
            why = inline(f"{error.sentence} {error.remedy.partition(chr(10))[0]}", 1000)
            return f"`/loop refresh` changed nothing: {why}"

    PeopleReader(context.forge, SystemClock().now, limits, prepare).read(engine)
