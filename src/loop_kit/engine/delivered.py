"""What an agent delivered: its report without secrets, or why that cannot be read."""

from collections.abc import Callable
from typing import Any

from loop_kit.core.agent.report_text import decode
from loop_kit.core.agent.reports import ReportInvalid, read_report, report_document
from loop_kit.core.loop import bus, passes
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.core.record import clean_text
from loop_kit.core.text.sanitize import redact_broken_json
from loop_kit.frozen import frozen
from loop_kit.ports import Delivery, Mailbox


@frozen
class Report:
    """What an agent delivered: as JSON, the document in that, and as the agent wrote it."""

    content: bytes
    document: Any
    written: bytes


@frozen
class UnreadableReport:
    """What an agent delivered that is no JSON document, as far as it was read, and why."""

    written: bytes
    why: str


Delivered = Report | UnreadableReport | None
"""What an agent delivered; None where that is nothing."""


def receive(mailbox: Mailbox, delivery: Delivery, redact: Callable[[str], str]) -> Delivered:
    """The report without secrets, so that nothing behind this function ever holds one.

    It is parsed before it is redacted, since JSON can spell a secret in escapes. What is JSON to
    the letter and holds none stays byte for byte what the agent wrote: the text is searched too,
    for a comment, or a key that is given twice, is in no document.
    """
    try:
        raw = mailbox.collect(delivery)
    except ReportInvalid as error:
        return UnreadableReport(b"", redact(str(error)))
    if raw is None:
        return None
    text = decode(raw)
    cleaned = redact_broken_json(redact, text)
    written = raw if cleaned == text else cleaned.encode("utf-8", "replace")
    try:
        document, is_exact = read_report(raw)
    except ReportInvalid as error:
        return UnreadableReport(written, redact(str(error)))
    as_json = clean_text(document)
    clean = redact(as_json)
    if is_exact and written is raw and clean == as_json:
        return Report(raw, document, raw)
    content = clean.encode(errors="replace")
    written = written if clean == as_json else content
    try:
        return Report(content, report_document(content), written)
    except ReportInvalid as error:
        return UnreadableReport(written, redact(str(error)))


def report_files(state: LoopState, role: Role, delivered: Delivered) -> dict[str, bytes | None]:
    """The report of an accepted attempt, on the bus and in the archive of its round.

    That of a further pass is only archived, beside the first.
    """
    name = bus.REPORTS[role]
    content = delivered.content if isinstance(delivered, Report) else b""
    if further := passes.number(state):
        return {bus.pass_path(state.task_id, state.round, role, further): content}
    return {name: content, bus.archive_path(state.task_id, state.round, name): content}


def document_of(delivered: Delivered, role: Role) -> Any:
    """The JSON document that an agent delivered.

    Raises:
        ReportInvalid: there is no report, or it cannot be read.
    """
    if delivered is None:
        raise ReportInvalid(f"the {role.words} ended without writing {bus.REPORTS[role.job]}")
    if isinstance(delivered, UnreadableReport):
        raise ReportInvalid(delivered.why)
    return delivered.document


def named_head(delivered: Delivered) -> str | None:
    """The commit that a worker calls its own, whatever else its report lacks."""
    document = delivered.document if isinstance(delivered, Report) else None
    named = document.get("head_sha") if isinstance(document, dict) else None
    return named if isinstance(named, str) else None
