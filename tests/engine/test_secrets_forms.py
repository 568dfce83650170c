"""Whatever form a report is taken in, no secret is left in what is stored of it."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.test_secrets import SECRET, received

from loop_kit.engine.delivered import Report, UnreadableReport

HARMLESS = st.text(st.characters(codec="utf-8", exclude_characters=SECRET), max_size=6)


@st.composite
def secrets(draw: st.DrawFn) -> str:
    """The secret inside a JSON string, any of its characters spelled as an escape."""
    escaped = draw(st.lists(st.booleans(), min_size=len(SECRET), max_size=len(SECRET)))
    pairs = zip(SECRET, escaped, strict=True)
    spelled = "".join(f"\\u{ord(c):04x}" if hides else c for c, hides in pairs)
    before, after = draw(HARMLESS), draw(HARMLESS)
    return json.dumps(before)[1:-1] + spelled + json.dumps(after)[1:-1]


BODIES = {
    "a value": '{{"task_id": "T-001", "notes": "{}"}}',
    "a key": '{{"task_id": "T-001", "{}": 1}}',
    "a key given twice": '{{"notes": "{}", "notes": "nothing"}}',
    "deep inside": '{{"tests": [[{{"output": ["{}"]}}]]}}',
    "too deep to be written again": "[" * 900 + '"{}"' + "]" * 900,
    "beside an unknown escape": r'{{"notes": "\d {}"}}',
    "beside a raw line break": '{{"notes": "one\n{}"}}',
    "a comment": '{{"task_id": "T-001"}} // "{}"',
    "a comment inside": '{{"task_id": /* "{}" */ "T-001"}}',
    "a comma too many": '{{"notes": ["{}", ], }}',
    "a fence": 'I am done:\n```json\n{{"notes": "{}"}}\n```\n',
    "beside the fence": 'The key is "{}".\n```json\n{{"notes": "none"}}\n```\n',
    "cut off": '{{"task_id": "T-001", "notes": "{}',
    "no report": "I could not do it, the key {} is refused.",
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")


@given(secrets(), st.sampled_from(sorted(BODIES)), st.sampled_from(ENCODINGS), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_form_of_a_report_keeps_a_secret(
    spelled: str, form: str, encoding: str, broken: bool
) -> None:
    raw = BODIES[form].format(spelled).encode(encoding)
    with TemporaryDirectory() as folder:
        found = received(Path(folder), raw + b"\xff" if broken else raw)
    assert isinstance(found, (Report, UnreadableReport))
    texts = [found.written.decode(name, "replace") for name in ("utf-8", "utf-16-le", "utf-16-be")]
    if isinstance(found, Report):
        document = json.loads(found.content)
        assert document == found.document
        texts.append(json.dumps(document, ensure_ascii=False))
    resolved = [_resolved(text) for text in texts]
    assert not [text for text in (*texts, *resolved) if SECRET in text]


def _resolved(text: str) -> str:
    """`text` with its escapes resolved, however broken it is."""
    for character in set(SECRET):
        text = text.replace(f"\\u{ord(character):04x}", character)
    return text
