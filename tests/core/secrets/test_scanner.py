"""What leaves is searched for secrets in every form, and nothing else is taken for one."""

import base64
import itertools
import random
import string
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.secrets.encodings import ENCODINGS, HIDING, KEYS

from loop_kit.core.secrets.forms import Forms
from loop_kit.core.secrets.scanner import scan

KEY = "sk-ant-api03-" + "".join(random.Random(7).choices(string.ascii_letters + "0189_-", k=95))
TOKEN = "ghs_" + "".join(random.Random(8).choices(string.ascii_letters + string.digits, k=36))
FORMS = Forms({"anthropic-api-key": KEY, "github-token": TOKEN})


def kinds(text: str | bytes, forms: Forms = FORMS) -> set[str]:
    raw = text if isinstance(text, bytes) else text.encode()
    return {leak.what for leak in scan(forms, [raw])}


@given(KEYS, st.sampled_from(sorted(ENCODINGS)), st.text(max_size=5), st.text(max_size=5))
@settings(max_examples=150, deadline=None)
def test_every_encoding_of_any_key_is_found(
    key: str, encoding: str, before: str, after: str
) -> None:
    encoded = ENCODINGS[encoding](key.encode())

    found = scan(Forms({"key": key}), [f"{before}\n{encoded}\n{after}".encode(errors="replace")])

    assert "this job's secret key" in {leak.what for leak in found}


@pytest.mark.parametrize("hide", sorted(HIDING))
def test_a_key_in_pieces_is_found(hide: str) -> None:
    assert "this job's secret github-token" in kinds(f"x = '{HIDING[hide](TOKEN)}'")


def test_a_leak_says_what_it_is_and_where_and_never_the_value() -> None:
    encoded = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    (leak,) = scan(FORMS, [f"one\ntwo\nAuthorization: Basic {encoded}\n".encode()])

    assert (leak.line, str(leak)) == (3, "this job's secret github-token, encoded as base64")
    assert TOKEN[4:12] not in repr(leak)
    assert encoded[20:30] not in repr(leak)


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_key_is_found_on_the_border_of_two_pieces(encoding: str, size: int) -> None:
    text = f"line\nline\n{ENCODINGS[encoding](TOKEN.encode())}\n".encode()
    found = scan(FORMS, (text[at : at + size] for at in range(0, len(text), size)))

    assert {leak.what for leak in found} == {"this job's secret github-token", *shape(encoding)}
    assert all(leak.line >= 3 for leak in found)


def shape(encoding: str) -> list[str]:
    plain = {"as it is", "percent-encoded", "as JSON"}
    return ["what looks like a GitHub token"] if encoding in plain else []


def test_megabytes_between_two_pieces_of_a_key_hide_nothing() -> None:
    spaces = (b" " * 1_000_000 for _ in range(5))
    pieces = [TOKEN[:9].encode(), *spaces, TOKEN[9:].encode()]

    assert [leak.what for leak in scan(FORMS, pieces)] == ["this job's secret github-token"]


def test_half_a_key_is_found_and_the_beginning_that_all_keys_have_is_not() -> None:
    assert kinds(KEY[20:60]) == {"this job's secret anthropic-api-key"}
    assert kinds("the key must match sk-ant-api03-[A-Za-z0-9_-]+, or ghs_[A-Za-z0-9]{36}") == set()


def test_a_value_that_is_an_ordinary_word_is_not_looked_for() -> None:
    forms = Forms({"a": "password", "b": "short", "c": "aaaaaaaaaaaa", "d": ""})

    assert kinds("password short aaaaaaaaaaaa", forms) == set()


def random_text(alphabet: str, size: int) -> str:
    return "".join(random.Random(size).choices(alphabet, k=size))


BASE62 = string.ascii_letters + string.digits
SHAPED = {
    "a GitHub token": "gho_" + random_text(BASE62, 36),
    "a GitLab token": "glpat-" + random_text(BASE62, 20),
    "an Anthropic key": "sk-ant-oat01-" + random_text(BASE62 + "_-", 95),
    "an OpenAI key": "sk-proj-" + random_text(BASE62 + "_-", 120),
    "an AWS key": "AKIA" + random_text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
    "a Google API key": "AIza" + random_text(BASE62, 35),
    "a Slack token": "xoxb-" + "1234567891-" * 2 + random_text(BASE62, 24),
    "an npm token": "npm_" + random_text(BASE62, 36),
    "a PyPI token": "pypi-AgEIcHlwaS5vcmc" + random_text(BASE62, 120),
    "a Stripe key": "sk_live_" + random_text(BASE62, 24),
    "a Hugging Face token": "hf_" + random_text(string.ascii_letters, 34),
    "a SendGrid key": f"SG.{random_text(BASE62, 22)}.{random_text(BASE62, 43)}",
    "a private key": f"-----BEGIN {'RSA '}PRIVATE KEY-----\n{random_text(BASE62 + '+/', 64)}\n",
}


@pytest.mark.parametrize("kind", sorted(SHAPED))
def test_the_shape_of_a_known_key_is_found(kind: str) -> None:
    assert kinds(f"a\nkey = '{SHAPED[kind]}'\n") == {f"what looks like {kind}"}


@pytest.mark.parametrize("kind", sorted(SHAPED))
def test_what_only_resembles_a_known_key_is_not_found(kind: str) -> None:
    key = SHAPED[kind]

    assert kinds(key[: 40 if len(key) >= 60 else -16]) == set()
    assert kinds(key[:20] + "x" * 200) == set()
    assert kinds(f"{key[:12]}EXAMPLE{key[19:]}") in (set(), {"what looks like an OpenAI key"})


def test_a_private_key_in_a_string_is_found() -> None:
    body = random_text(BASE62, 64)

    assert kinds(f'KEY = "-----BEGIN {""}PRIVATE KEY-----\\n{body}\\n"') == {
        "what looks like a private key"
    }


def test_a_long_text_takes_time_in_proportion_to_its_length() -> None:
    hostile = {
        "escapes": b"%2" * 200_000,
        "beginnings": b"ghp_" * 100_000,
        "private keys": b"-----BEGIN RSA PRIVATE KEY-----\n" * 12_000,
        "headers": b"-----BEGIN PRIVATE KEY-----" + b"\nVersion: x" * 40_000,
        "slack": b"xoxb-" + b"1234567890-" * 40_000,
        "parts": (TOKEN[8:20] * 2).encode() * 16_000,
    }
    for name, text in hostile.items():
        started = time.perf_counter()
        scan(FORMS, [text])
        assert time.perf_counter() - started < 3, name


def test_a_scan_needs_the_same_memory_for_any_length() -> None:
    piece = b"some text, and more of it\n" * 2_000
    scan(FORMS, [piece])
    tracemalloc.start()
    try:
        assert scan(FORMS, itertools.repeat(piece, 400)) == ()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
