"""The parts of git's push protocol that the stand-in has to read and to change.

Stock git tells a pusher "hook declined" whatever the hook's reason was; GitHub puts the reason
itself in that place, and clients look for it there. So the reasons are written into the report
after git has made it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

ZERO_SHA = "0" * 40
REPORT_BAND = 1
PROGRESS_BAND = 2
LARGEST_PACKET = 65515


@dataclass(frozen=True)
class RefUpdate:
    """One line of a push: move `ref` from `old` to `new`; zeros create or delete."""

    ref: str
    old: str
    new: str


@dataclass(frozen=True)
class PushRequest:
    """What a pusher asks for."""

    updates: tuple[RefUpdate, ...]
    capabilities: frozenset[str]

    @property
    def atomic(self) -> bool:
        return "atomic" in self.capabilities


@dataclass(frozen=True)
class Question:
    """One request to upload-pack in version 2 of the protocol.

    `command` is ls-refs or fetch; `prefixes` are the refs listed, `wants` what is fetched.
    """

    command: str = ""
    prefixes: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    haves: int = 0


@dataclass(frozen=True)
class PushReport:
    """What came of a push: `refused` maps a ref to the reason that its pusher was given."""

    answer: bytes
    accepted: tuple[str, ...]
    refused: Mapping[str, str]


def packet(payload: bytes) -> bytes:
    return b"%04x" % (len(payload) + 4) + payload


def announcement(service: str) -> bytes:
    """What smart HTTP puts in front of a list of refs."""
    return packet(f"# service=git-{service}\n".encode()) + b"0000"


def read_packets(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield payloads up to the first flush packet or the end."""
    while (length := stream.read(4)) not in {b"", b"0000"}:
        yield stream.read(int(length, 16) - 4)


def split_packets(data: bytes) -> Iterator[bytes]:
    """Yield the payloads in `data` up to the first flush packet."""
    at = 0
    while at < len(data) and (length := int(data[at : at + 4], 16)):
        yield data[at + 4 : at + length]
        at += length


def parse_push(body: IO[bytes]) -> PushRequest:
    """Read the commands in front of the pack, and leave `body` where it was.

    Before a large push git sends an empty one to see whether it is let in: no updates.
    """
    updates = []
    capabilities: frozenset[str] = frozenset()
    for payload in read_packets(body):
        line, nul, rest = payload.rstrip(b"\n").partition(b"\0")
        if nul:
            capabilities = frozenset(rest.decode().split())
        if line.startswith((b"shallow ", b"push-cert")):
            continue
        old, new, ref = line.decode().split(" ", 2)
        updates.append(RefUpdate(ref, old, new))
    body.seek(0)
    return PushRequest(tuple(updates), capabilities)


def parse_question(body: IO[bytes]) -> Question:
    """Read what a client asks of upload-pack, and leave `body` where it was."""
    told: dict[str, list[str]] = {}
    for payload in _sections(body):
        word, _, rest = payload.decode(errors="replace").strip().replace("=", " ", 1).partition(" ")
        told.setdefault(word, []).append(rest)
    body.seek(0)
    return Question(
        command="".join(told.get("command", [])),
        prefixes=tuple(told.get("ref-prefix", [])),
        wants=tuple(told.get("want", [])),
        haves=len(told.get("have", [])),
    )


def _sections(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield payloads up to the flush packet, across the packets that part sections."""
    while (length := stream.read(4)) not in {b"", b"0000"}:
        if int(length, 16) >= 4:
            yield stream.read(int(length, 16) - 4)


def finish_report(answer: bytes, request: PushRequest, refusals: Mapping[str, str]) -> PushReport:
    """Put GitHub's reasons into git's report and say which refs moved."""
    if "side-band-64k" not in request.capabilities:
        reported, accepted, refused = _reword(answer, refusals)
        return PushReport(reported, accepted, refused)
    report, progress = b"", b""
    for payload in split_packets(answer):
        if payload[0] == REPORT_BAND:
            report += payload[1:]
        elif payload[0] == PROGRESS_BAND:
            progress += payload[1:]
    reasons = {**lock_failures(progress.decode(errors="replace")), **refusals}
    reported, accepted, refused = _reword(report, reasons)
    bands = _in_band(PROGRESS_BAND, progress) + _in_band(REPORT_BAND, reported)
    return PushReport(bands + b"0000", accepted, refused)


def lock_failures(progress: str) -> dict[str, str]:
    """Find git's complaints about refs that moved, or whose name clashes with another's.

    GitHub gives these as the reason; git prints them and reports "failed to update ref".
    """
    found = re.finditer(r"(cannot lock ref '([^']+)': [^\n]+)", progress)
    return {match[2]: match[1] for match in found}


def _in_band(band: int, data: bytes) -> bytes:
    pieces = [data[at : at + LARGEST_PACKET] for at in range(0, len(data), LARGEST_PACKET)]
    return b"".join(packet(bytes([band]) + piece) for piece in pieces)


def _reword(
    report: bytes, reasons: Mapping[str, str]
) -> tuple[bytes, tuple[str, ...], dict[str, str]]:
    lines, accepted, refused = [], [], {}
    for payload in split_packets(report):
        word, _, rest = payload.rstrip(b"\n").decode().partition(" ")
        if word == "ok":
            accepted.append(rest)
        if word == "ng":
            ref, _, reason = rest.partition(" ")
            refused[ref] = reasons.get(ref, _in_githubs_words(reason))
            lines.append(packet(f"ng {ref} {refused[ref]}\n".encode()))
        else:
            lines.append(packet(payload))
    return b"".join(lines) + b"0000", tuple(accepted), refused


def _in_githubs_words(reason: str) -> str:
    return {"atomic push failure": "atomic transaction failed"}.get(reason, reason)
