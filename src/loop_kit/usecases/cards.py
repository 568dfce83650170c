"""Finds the card that an event asks for: in the repository, in an issue or in a pull request.

What counts is the text of the event, which the person saw who put the label on; only where the
event does not bring it along is the API asked. A pull request is worked on at its own head, so its
base, from which everything trusted is read, is the commit where it left its base branch.

Outsiders write issues, so a card in one chooses among the branches that the operator lists. An id
that is made from a number is only ever that issue's or pull request's own.
"""

from fnmatch import fnmatchcase

from loop_kit.adapters.git.command import Git
from loop_kit.adapters.git.repository import changed_files
from loop_kit.adapters.github.attachments import fetch_attachment
from loop_kit.adapters.github.forge import GitHubForge
from loop_kit.core.card.enforced import accept_card
from loop_kit.core.card.issue import (
    attachment_links,
    card_in_attachment,
    find_card,
    missing_card,
)
from loop_kit.core.card.issue_sections import Origin
from loop_kit.core.card.task import TaskCard, parse_card
from loop_kit.core.ci.branches import is_reserved
from loop_kit.core.ci.requests import (
    DEFAULT_CARD,
    PullFacts,
    StartIssue,
    StartPull,
    check_head,
    check_pull,
    is_branch_name,
    is_under,
)
from loop_kit.core.loop.state import Source
from loop_kit.core.loop_dir import LOOP_DIR
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import BadCard, BranchRefused
from loop_kit.frozen import frozen
from loop_kit.settings import Layers, Settings
from loop_kit.usecases.checkout import Checkout
from loop_kit.usecases.job_context import config_at

_FOLDER = f"{LOOP_DIR}/"
_TASKS = f"{LOOP_DIR}/tasks/"


@frozen
class Found:
    """A card, where it came from, and the commits between which its loop is to work.

    `own_work` is the head branch of the pull request that the loop works on, else ''.
    """

    card: TaskCard
    source: Source
    base_branch: str
    base_sha: str
    start_sha: str
    own_work: str = ""
    pull_url: str = ""


class Cards:
    """Reads cards for one invocation; `layers` are its settings below any configuration file."""

    def __init__(
        self,
        checkout: Checkout,
        forge: GitHubForge,
        settings: Settings,
        repository: str,
        default_branch: str,
        layers: Layers,
    ) -> None:
        self._checkout = checkout
        self._forge = forge
        self._settings = settings
        self._repository = repository
        self._default_branch = default_branch
        self._layers = layers

    def committed(self, path: str, at: str = "") -> Found:
        """The card in the file `path` of the commit `at`, or of the one that is checked out.

        Raises:
            BadCard: there is none, or it does not fit.
        """
        head = at or self._checkout.place.head
        raw = self._checkout.repository.read(head, path)
        if raw is None:
            raise BadCard(
                f"The task card {path} is not committed at {head[:10]}.",
                "Commit it there, or name another with the input `task`.",
                anchor="card-not-found",
            )
        card = _with_own_id(parse_card(raw, path), path)
        return self._on_base(card, Source(kind="file", ref=path))

    def of_issue(self, asked: StartIssue) -> Found:
        """The card in an issue: in its text, else in a file attached to it.

        Raises:
            BadCard: there is none, or it does not fit.
        """
        card = self.in_issue(asked.number, asked.title, asked.body)
        return self._on_base(card, self._source("issue", asked.number, labelled=asked.labelled))

    def in_issue(self, number: int, title: str, body: str | None) -> TaskCard:
        """The card in the issue; its text is asked of the API where `body` is None."""
        if body is None:
            issue = self._forge.issue(number)
            if issue is None or not issue.is_open:
                raise BadCard(
                    f"There is no open issue #{number}.",
                    "Give the number of one.",
                    anchor="nothing-open-by-that-number",
                )
            title, body = issue.title, issue.body
        origin = Origin("issue", number, title)
        card = find_card(body, origin) or self._find_attached(body, origin)
        if card is None:
            raise missing_card(origin, body=body)
        return _with_own_id(card, origin.name, origin.task_id)

    def of_pull(self, asked: StartPull) -> Found:
        """The card for a pull request: in its text, in its changes, else in what it closes.

        Raises:
            BadCard: there is none, more than one, or one that does not fit.
            BranchRefused: its head or base is one of the loop's branches.
            ForgeRefused: it comes from a fork, or its head is not where it was.
        """
        pull = asked.facts or self.open_pull(asked.number)
        check_head(pull, self._default_branch)
        base_sha = self._forge.merge_base(pull.base, pull.head_sha)
        self._checkout.fetch(base_sha)
        self._checkout.fetch(pull.head_sha)
        card = self.in_pull(pull, base_sha)
        return Found(
            card=card,
            source=self._source("pull_request", asked.number, labelled=asked.labelled),
            base_branch=pull.base,
            base_sha=base_sha,
            start_sha=pull.head_sha,
            own_work=pull.head,
            pull_url=pull.url,
        )

    def in_pull(self, pull: PullFacts, base_sha: str) -> TaskCard:
        """The card for a pull request whose base and head are at hand."""
        origin = Origin("pull request", pull.number, pull.title)
        card = find_card(pull.body, origin)
        if card is None:
            self._checkout.fetch(base_sha)
            self._checkout.fetch(pull.head_sha)
            card = self._find_added(pull, base_sha, origin)
        if card is not None:
            return _with_own_id(card, origin.name, origin.task_id)
        facts = self._forge.pull(pull.number)
        issue = self._forge.issue(facts.closes) if facts and facts.closes else None
        closed = Origin("issue", issue.number, issue.title) if issue else None
        card = find_card(issue.body, closed) if issue and closed else None
        if card is None:
            looked = ", changes none and closes no issue with one"
            raise missing_card(origin, looked, pull.body)
        if closed is not None and card.task_id == closed.task_id:
            own = card.model_copy(update={"task_id": origin.task_id})
            return accept_card(own, closed.name)
        return _with_own_id(card, closed.name if closed else origin.name, origin.task_id)

    def tip(self, branch: str) -> str:
        """The tip of a branch of the repository."""
        return self._checkout.tip(branch)

    def _source(self, kind: str, number: int, *, labelled: bool) -> Source:
        label = self._settings.trigger_label if labelled else ""
        return Source.model_validate({"kind": kind, "ref": str(number), "label": label})

    def _check_choice(self, base_branch: str) -> None:
        """Refuse a base branch that a card in an issue may not choose.

        The list in the configuration file is the one on the default branch: that of another branch
        would be chosen by the card.

        Raises:
            BadCard: it is neither the default branch nor one that `base-branches` lists.
        """
        if base_branch == self._default_branch:
            return
        listed = self._settings.base_branches or self._list_configured_bases()
        if not any(fnmatchcase(base_branch, pattern) for pattern in listed):
            raise BadCard(
                f"A card in an issue may not build on {one_line(base_branch, 100)}: `base-branches`"
                " does not list it.",
                f"Leave `base_branch` out to build on {self._default_branch}; or have the input or"
                " setting `base-branches` list it.",
                anchor="card-base-branch",
            )

    def _list_configured_bases(self) -> tuple[str, ...]:
        tip = self._checkout.tip(self._default_branch)
        self._checkout.fetch(tip)
        config = config_at(self._checkout.repository, tip)
        return self._layers.resolve(config.layer).base_branches

    def _on_base(self, card: TaskCard, source: Source) -> Found:
        named = self._settings.base_branch or card.base_branch
        base_branch = named or self._default_branch
        if not is_branch_name(base_branch):
            raise BadCard(
                f"{one_line(base_branch, 100)!r} is no name of a branch.",
                "Correct `base_branch`.",
                anchor="card-base-branch",
            )
        if source.kind == "issue" and not self._settings.base_branch:
            self._check_choice(base_branch)
        if is_under(base_branch, self._settings.branch_prefix):
            raise BranchRefused(
                f"The base branch {base_branch} is one of the loop's own.",
                "Name another with `base-branch`, or in the card.",
                anchor="card-base-branch",
            )
        base_sha = self._checkout.tip(base_branch)
        return Found(card, source, base_branch, base_sha, base_sha)

    def _find_attached(self, body: str, origin: Origin) -> TaskCard | None:
        links = attachment_links(body, self._repository)
        if not links:
            return None
        if len(links) > 1:
            raise BadCard(
                f"{origin.name} holds {len(links)} attached files that may be a card.",
                "Leave one, or paste the card as a block.",
                anchor="card-ambiguous",
            )
        return card_in_attachment(fetch_attachment(links[0]), links[0], origin)

    def open_pull(self, number: int) -> PullFacts:
        """The open pull request `number`, asked of the API and checked.

        Raises:
            BadCard: there is none.
            BranchRefused: its head or base is one of the loop's own branches.
            ForgeRefused: it comes from a fork.
        """
        facts = self._forge.pull(number)
        if facts is None or not facts.is_open:
            raise BadCard(
                f"There is no open pull request #{number}.",
                "Give the number of one.",
                anchor="nothing-open-by-that-number",
            )
        check_pull(facts, self._repository, self._settings.branch_prefix)
        return facts

    def _find_added(self, pull: PullFacts, base_sha: str, origin: Origin) -> TaskCard | None:
        """The one card that the pull request adds or changes."""
        changed = changed_cards(self._checkout.git, base_sha, pull.head_sha)
        if not changed:
            return None
        if len(changed) > 1:
            raise BadCard(
                f"{origin.name} changes {len(changed)} task cards: which one is meant?",
                "Write the one that is meant into its text.",
                anchor="card-ambiguous",
            )
        raw = self._checkout.repository.read(pull.head_sha, changed[0])
        return parse_card(raw, changed[0]) if raw is not None else None


def _with_own_id(card: TaskCard, place: str, own: str = "") -> TaskCard:
    """The card, unless it has the id of another issue or pull request than its `own`.

    Raises:
        BadCard: it has, or what it puts out of scope cannot be enforced.
    """
    if card.task_id != own and is_reserved(card.task_id):
        instead = f"Leave it out to get {own}, or choose" if own else "Choose"
        raise BadCard(
            f"{place}: the task_id {card.task_id} belongs to the issue or pull request of that"
            " number.",
            f"{instead} one of another form.",
            anchor="card-id-taken",
        )
    return accept_card(card, place)


def changed_cards(git: Git, before: str, after: str) -> tuple[str, ...]:
    """The card files that were added or changed between two commits; all without `before`."""
    ends = (".json", ".yml", ".yaml")
    return tuple(
        path
        for path in changed_files(git, before, after, _FOLDER)
        if path == DEFAULT_CARD
        or (path.startswith(_TASKS) and path.count("/") == 2 and path.endswith(ends))
    )
