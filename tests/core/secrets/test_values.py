"""What of a job's values is a secret: neither a secret nor an ordinary text is mistaken."""

import random
import string

import pytest

from loop_kit.core.secrets.forms import Forms
from loop_kit.core.secrets.redaction import Redactor
from loop_kit.core.secrets.scanner import scan
from loop_kit.core.secrets.values import secrets_in

TOKEN = "".join(random.Random(4).choices(string.ascii_letters + string.digits, k=40))
BODY = "\n".join(
    "".join(random.Random(n).choices(string.ascii_letters + "0123+/", k=64)) for n in range(4)
)
PEM = f"-----BEGIN {'RSA '}PRIVATE KEY-----\n{BODY}\n-----END {'RSA '}PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (TOKEN, (TOKEN,)),
        (f"https://reader:{TOKEN}@pypi.example.org/simple", (TOKEN,)),
        (f"https://{TOKEN}@github.com/o/n.git", (TOKEN,)),
        (f"https://hooks.example.org/services/T1/{TOKEN}", None),
        ("https://registry.example.org/packages/npm2/", ()),
        ("/home/runner/.config/pip2.conf", ()),
        ("changeme", ()),
        ("short", ()),
        ("correct horse battery", ("correct horse battery",)),
        (f'{{"type": "service_account", "client": "a-b-1@x.org", "key": "{TOKEN}"}}', (TOKEN,)),
    ],
)
def test_what_is_secret_in_a_value(value: str, found: tuple[str, ...] | None) -> None:
    if found is None:
        assert TOKEN in "".join(secrets_in(value))
    else:
        assert secrets_in(value) == found


def test_each_line_of_a_private_key_is_found_and_what_all_keys_begin_with_is_not() -> None:
    forms = Forms({"deploy-key": PEM})

    for line in BODY.splitlines():
        assert scan(forms, [f"x = '{line}'".encode()])
    assert scan(forms, [b"starts with -----BEGIN RSA PRIVATE KEY-----, says the guide"]) == ()


def test_an_address_with_a_login_leaves_other_addresses_as_they_are() -> None:
    redact = Redactor([f"https://reader:{TOKEN}@pypi.example.org/simple", "correct horse battery"])

    assert (
        redact("see https://pypi.example.org, correct?") == "see https://pypi.example.org, correct?"
    )
    assert redact(f"with {TOKEN}") == "with ***"
    assert redact("it is correct horse battery") == "it is ***"
