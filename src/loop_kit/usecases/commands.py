"""What a command needs before it is carried out: a backend that is there, the card as it is now."""

from loop_kit.core.card.task import TaskCard
from loop_kit.core.ci.requests import Comment, StartIssue
from loop_kit.core.forge.replies import decision_problem
from loop_kit.core.loop.commands import Command
from loop_kit.core.loop.resuming import retried_role
from loop_kit.core.loop.state import LoopState
from loop_kit.errors import BadCard
from loop_kit.usecases.cards import Cards
from loop_kit.usecases.job_context import JobContext
from loop_kit.usecases.other_backend import backend_problem


def command_problem(
    context: JobContext, card: TaskCard | None, recorded: LoopState, command: Command
) -> str | None:
    """Why the command can change nothing, harmless in a comment; None where it can."""
    if recorded.is_finished:
        return f"{recorded.task_id} is {recorded.outcome}: use a new task id for new work."
    if command.backend and card is not None:
        settings = context.loop_settings(card, recorded.base_sha)
        role = retried_role(recorded, command)
        return backend_problem(context.site, settings, role, command.backend)
    return decision_problem(command, recorded)


def with_current_card(
    context: JobContext,
    cards: Cards,
    command: Command,
    recorded: LoopState,
    request: Comment | None = None,
) -> Command:
    """A `refresh` with the card as it is now, and its verify commands.

    `request` is the comment that asks for it, whose event brings the text of its issue along.

    Raises:
        BadCard: there is none any more, or it is another loop's.
    """
    card = _reread(cards, recorded, request)
    verify = context.loop_settings(card, recorded.base_sha).verify
    return command.model_copy(update={"card": card, "verify": verify})


def _reread(cards: Cards, recorded: LoopState, request: Comment | None) -> TaskCard:
    """The card as it is now, where it came from."""
    source = recorded.source
    if source.issue is not None:
        same = request is not None and source.issue == request.number
        title, body = (request.title, request.body) if request and same else ("", None)
        card = cards.of_issue(StartIssue(source.issue, title, body, labelled=False)).card
    elif source.pull is not None:
        pull = cards.open_pull(source.pull)
        card = cards.in_pull(pull, recorded.base_sha)
    else:
        card = cards.committed(source.ref, cards.tip(recorded.base_branch)).card
    if card.task_id != recorded.task_id:
        raise BadCard(
            f"The card is {card.task_id} now, the loop is {recorded.task_id}.",
            "Give it back its task_id, or start a loop of its own for it.",
            anchor="card-id-taken",
        )
    return card
