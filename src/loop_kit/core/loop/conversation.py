"""What people wrote in reviews of the pull request, as the forge has it."""

from typing import Literal, NamedTuple

from loop_kit.frozen import frozen

ReviewState = Literal["approved", "changes_requested", "commented", "dismissed"]


class PersonPost(NamedTuple):
    """The text of a review, or one of its comments.

    `id` is the number of the comment; below zero it is the review's. `root` is the number of the
    comment that began its conversation, 0 for the text of a review, and `thread` what the forge
    calls that; `finding` is ours that the conversation is about.
    """

    id: int
    review: int
    by: str
    body: str
    state: ReviewState
    file: str = ""
    line: int | None = None
    root: int = 0
    thread: str = ""
    finding: str = ""


class Conversation(NamedTuple):
    """What people with write access wrote, oldest first, each review before its comments.

    `resolved` are the comments that began a conversation which is resolved. `unread` says in
    sentences what was left out, since there is too much of it.
    """

    posts: tuple[PersonPost, ...] = ()
    resolved: frozenset[int] = frozenset()
    unread: tuple[str, ...] = ()


@frozen
class PeopleRead:
    """These texts of people with write access were read in reviews of the pull request.

    `resolved` are first comments of conversations that are resolved, `dismissed` reviews that were;
    `answers` are to commands in texts, by their number; `refused`: the token may not read any.
    """

    posts: tuple[PersonPost, ...]
    resolved: frozenset[int] = frozenset()
    dismissed: frozenset[int] = frozenset()
    answers: tuple[tuple[int, str], ...] = ()
    refused: bool = False
