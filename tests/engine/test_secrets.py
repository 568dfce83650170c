"""What an agent reports is cleaned of secrets before anything of it is stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loop_kit.adapters.loop_dir.mailbox import FolderMailbox
from loop_kit.core.loop.state import Role
from loop_kit.core.secrets.redaction import Redactor
from loop_kit.engine.delivered import Delivered, Report, UnreadableReport, receive

SECRET = "sk-proj-0123456789abcdef"
ESCAPED = "".join(f"\\u{ord(c):04x}" for c in SECRET)


def received(tmp_path: Path, raw: bytes) -> Delivered:
    mailbox = FolderMailbox(tmp_path)
    delivery = mailbox.post(Role.WORKER, 1, 1, {})
    delivery.report.write_bytes(raw)
    return receive(mailbox, delivery, Redactor([SECRET]))


@pytest.mark.parametrize("spelled", [SECRET, ESCAPED, SECRET[:10]])
def test_a_secret_is_gone_however_the_report_spells_it(tmp_path: Path, spelled: str) -> None:
    report = received(tmp_path, f'{{"notes": "the key is {spelled}"}}'.encode())

    assert isinstance(report, Report)
    assert json.loads(report.content) == {"notes": "the key is ***"}
    assert report.document == {"notes": "the key is ***"}


def test_a_report_without_a_secret_stays_byte_for_byte(tmp_path: Path) -> None:
    raw = b'{ "notes":\t"\\u0073" }\r\n'

    assert received(tmp_path, raw) == Report(raw, {"notes": "s"}, raw)


@pytest.mark.parametrize("spelled", [SECRET, ESCAPED, SECRET[:10]])
def test_a_secret_is_gone_from_what_is_no_json(tmp_path: Path, spelled: str) -> None:
    found = received(tmp_path, f'{{"notes": "the key is {spelled}"'.encode())

    assert isinstance(found, UnreadableReport)
    assert b'"the key is ***' in found.written
    assert not [part for part in (SECRET[:8], ESCAPED[:48]) if part.encode() in found.written]


def test_what_is_no_json_stays_byte_for_byte_too(tmp_path: Path) -> None:
    raw = b'{ "notes":\t"\\u0073\xff \r\n'
    found = received(tmp_path, raw)

    assert isinstance(found, UnreadableReport)
    assert found.written == raw
    assert "not readable as JSON" in found.why
