"""No secret stays in what is stored or posted, and what is no secret stays as it is."""

import json
import random
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.secrets.encodings import ENCODINGS, HIDING, KEYS

from loop_kit.core.secrets.redaction import Redactor, StreamRedactor

KEY = "sk-ant-api03-" + "".join(random.Random(7).choices("abcdefXYZ0189_-", k=95))
SECRET = "sk-Abc0123456789xyzQ"


def test_a_secret_is_replaced_wherever_it_stands() -> None:
    redact = Redactor([SECRET, ""])
    assert redact(f"a {SECRET}{SECRET} b{SECRET}") == "a ****** b***"
    assert redact("nothing here") == "nothing here"
    assert redact("") == ""


def test_any_part_of_a_secret_of_8_or_more_characters_is_replaced() -> None:
    redact = Redactor([SECRET])
    for start in range(len(SECRET) - 8):
        for end in range(start + 8, len(SECRET) + 1):
            assert redact(f"<{SECRET[start:end]}>") == "<***>"
    assert redact(SECRET[:7]) == SECRET[:7]


def test_the_longest_of_overlapping_secrets_goes_first() -> None:
    assert Redactor(["abcdefgh", "abcdefghijkl"])("xabcdefghijkly") == "x***y"


def test_a_secret_too_short_to_be_one_is_left_alone() -> None:
    assert Redactor(["main", ""])("the main branch") == "the main branch"


@pytest.mark.parametrize("seed", range(10))
def test_no_8_characters_of_a_secret_survive_in_random_text(seed: int) -> None:
    chance = random.Random(seed)
    alphabet = "abcdefgh-"
    secrets = ["".join(chance.choices(alphabet, k=chance.randint(8, 30))) for _ in range(3)]
    redact = Redactor(secrets)
    for _ in range(50):
        parts = []
        for _ in range(chance.randint(1, 6)):
            secret = chance.choice(secrets)
            start = chance.randint(0, len(secret) - 1)
            parts.append(secret[start : start + chance.randint(1, 30)])
            parts.append("".join(chance.choices(alphabet, k=chance.randint(0, 5))))
        clean = redact("".join(parts))
        windows = {s[at : at + 8] for s in secrets for at in range(len(s) - 7)}
        assert not any(window in clean for window in windows)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
def test_a_secret_is_redacted_in_pieces_of_any_size(size: int) -> None:
    secrets = ["s3cret-token-value", "another-long-secret-which-is-longer"]
    text = f"a {secrets[0]} b {secrets[1]}{secrets[0]} c".encode() * 50
    redactor = StreamRedactor(secrets)
    pieces = [redactor.feed(text[at : at + size]) for at in range(0, len(text), size)]
    out = b"".join(pieces) + redactor.end()
    assert out == b"a *** b ****** c" * 50


def test_bytes_without_secrets_pass_unchanged() -> None:
    redactor = StreamRedactor(["", "short"])
    data = bytes(range(256)) * 10
    assert redactor.feed(data) + redactor.end() == data


@given(KEYS, st.sampled_from(sorted(ENCODINGS)), st.sampled_from(["", "x", "xy", "\u200b"]))
@settings(max_examples=150, deadline=None)
def test_a_secret_is_redacted_in_every_encoding(key: str, encoding: str, before: str) -> None:
    encoded = ENCODINGS[encoding](f"{before}{key}".encode())

    clean = Redactor([key])(f"it is {encoded}. Or so")

    assert "***" in clean
    assert clean.startswith("it is ")
    assert len(clean) < 60


@pytest.mark.parametrize("hide", sorted(HIDING))
def test_a_secret_in_pieces_is_redacted_as_a_whole(hide: str) -> None:
    clean = Redactor([KEY])(f"it is {HIDING[hide](KEY)}, or so")

    assert clean == "it is ***, or so"


@pytest.mark.parametrize(
    "value",
    ["short", "password", "Change-Me", "github-actions", "xxxxxxxxxxxx", "00000000", "approved"],
)
def test_a_value_that_is_no_secret_never_damages_a_text(value: str) -> None:
    text = f"The {value} of github-actions is approved; 00000000 xxxxxxxxxxxx password"

    assert Redactor([value])(text) == text


def test_a_word_that_is_part_of_a_secret_stays() -> None:
    redact = Redactor(["my-password-is-4711"])

    assert redact("The password is wrong.") == "The password is wrong."
    assert redact("my-password-is-4711") == "***"
    assert redact("x-password-is-471") == "x***"


def test_the_beginning_that_all_keys_of_a_kind_have_stays_in_prose() -> None:
    redact = Redactor([KEY])

    assert redact("keys begin with sk-ant-, then api03") == "keys begin with sk-ant-, then api03"


def test_a_file_stays_json_where_its_texts_hold_a_secret() -> None:
    escaped = "".join(f"\\u{ord(c):04x}" for c in KEY)
    content = f'{{"a": "{escaped}", "b": ["{KEY[:30]}", "{KEY[30:]}"], "n": 1}}'.encode()

    clean = Redactor([KEY]).file(content)

    document = json.loads(clean)
    assert document["a"] == "***"
    assert document["n"] == 1
    assert KEY[:8] not in clean.decode()
    assert KEY[-8:] not in clean.decode()


def test_a_file_without_a_secret_stays_byte_for_byte() -> None:
    content = b'{ "a":\t"\\u0073" }\r\n\xff'

    assert Redactor([KEY]).file(content) is content


def test_what_looks_like_a_key_is_redacted_though_nobody_knows_it() -> None:
    token = "ghp_" + "".join(random.Random(1).choices("abcXYZ0123456789qrsT", k=36))

    assert Redactor([])(f"export TOKEN={token}\n") == "export TOKEN=***\n"


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
@pytest.mark.parametrize("size", [500, 100_000])
def test_no_encoding_of_a_secret_passes_a_stream(encoding: str, size: int) -> None:
    text = (
        f"line of output {quote('ä')}\n" * 200 + f"'{ENCODINGS[encoding](KEY.encode())}'\n"
    ).encode()
    text = text * 3 + b"\nend"
    redactor = StreamRedactor([KEY])

    pieces = [redactor.feed(text[at : at + size]) for at in range(0, len(text), size)]
    out = b"".join(pieces) + redactor.end()

    assert out.count(b"***") == 3
    assert out.count(b"line of output") == 600
    assert len(out) < len(text) - 3 * len(KEY) + 60
