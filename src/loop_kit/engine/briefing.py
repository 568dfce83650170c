"""What an agent gets besides its task: where to start, what was learned, what came before."""

from collections.abc import Mapping

from loop_kit.core.agent.report_text import decode
from loop_kit.core.agent.reports import ReportInvalid, report_document
from loop_kit.core.briefing import handoff, knowledge
from loop_kit.core.briefing.prompts import Context
from loop_kit.core.briefing.task_packet import (
    MAX_FILES,
    TaskPacket,
    quickstart,
    sources,
    task_packet,
)
from loop_kit.core.card.scope import patterns
from loop_kit.core.card.task import TaskCard
from loop_kit.core.loop import bus
from loop_kit.core.loop.bus import Document
from loop_kit.core.loop.effects import (
    RunAgent,
)
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.record import clean_text
from loop_kit.frozen import frozen
from loop_kit.ports import Guides, Repository, Store


@frozen
class Briefing:
    """The packet for the bus, and all sections for the prompt."""

    packet: TaskPacket
    context: Context


@frozen
class _Seen:
    """The top of a commit's tree, the card's files in it, and those of them that are sources."""

    top: tuple[str, ...]
    files: tuple[str, ...]
    wanted: tuple[str, ...]
    read: Mapping[str, bytes]


class Briefer:
    """Looks up, once per commit, what the agents need; git is asked at most three times."""

    def __init__(self, store: Store, repository: Repository, guides: Guides) -> None:
        self._store = store
        self._repository = repository
        self._guides = guides
        self._seen: tuple[str, tuple[str, ...], _Seen] | None = None

    def worker(self, state: LoopState, card: TaskCard) -> Briefing:
        """The worker's briefing at the tip of its branch."""
        known = self._guides.knowledge()
        seen = self._look_up(state.branch_tip, card.in_scope)
        pitfalls = tuple(entry.text for entry in knowledge.select_useful(known).pitfalls)
        packet = task_packet(card, seen.files, seen.read, pitfalls, state.findings)
        context = Context(
            quickstart=quickstart(seen.top),
            handoff=self.handoff(state, Role.WORKER, Role.REVIEWER),
            knowledge=knowledge.section(known),
            task_packet=packet.section(),
            scope=", ".join(seen.wanted),
            function_index="\n".join(packet.target_symbols),
        )
        return Briefing(packet, context)

    def _look_up(self, tip: str, in_scope: tuple[str, ...]) -> "_Seen":
        """What the commit `tip` holds for this card; the last answer is known."""
        if self._seen is None or self._seen[:2] != (tip, in_scope):
            top = self._repository.top(tip)
            named = patterns(in_scope, frozenset(in_scope) & frozenset(top))
            files = self._repository.matching_files(tip, named, MAX_FILES) if named else ()
            wanted = sources(files)
            read = self._repository.read_many(tip, wanted) if wanted else {}
            self._seen = (tip, in_scope, _Seen(top, files, wanted, read))
        return self._seen[2]

    def handoff(self, state: LoopState, *roles: Role) -> str:
        """What these roles left in the round before."""
        documents = [self._load_handoff(state, role) for role in roles] if state.round > 1 else []
        return handoff.section(each for each in documents if each is not None)

    def refused_report(self, state: LoopState, effect: RunAgent) -> str | None:
        """The report that this attempt is to correct, as its agent wrote it; None if it is not."""
        numbers = range(effect.attempt - 1, 0, -1) if effect.repairs_report else ()
        for number in numbers:
            path = bus.refused_path(state.task_id, state.round, effect.role, number)
            raw = self._store.read(path)
            if raw is not None:
                return clean_text(decode(bus.content_of_refused(raw))).strip() or None
        return None

    def _load_handoff(self, state: LoopState, role: Role) -> Document | None:
        """The handoff of this task, or None where it is missing or damaged."""
        raw = self._store.read(handoff.path(state.task_id, role, state.round - 1))
        try:
            document = report_document(raw) if raw and len(raw) <= bus.MAX_REPORT else None
        except ReportInvalid:
            return None
        if not isinstance(document, dict) or document.get("task_id") != state.task_id:
            return None
        return document
