"""What an agent can turn a key into, by the standard library's encoders rather than by ours."""

import base64
import json
import string
from collections.abc import Callable
from urllib.parse import quote

from hypothesis import strategies as st

_ALPHABET = string.ascii_letters + string.digits

KEYS = st.tuples(
    st.sampled_from(["ghs_", "sk-ant-api03-", "sk-proj-", "", "github_pat_11"]),
    st.text(_ALPHABET + "_-", min_size=36, max_size=60).filter(
        lambda text: any(c.isdigit() for c in text) and len(set(text)) > 12
    ),
).map("".join)
"""Values as the issuers of keys make them."""

ENCODINGS: dict[str, Callable[[bytes], str]] = {
    "as it is": bytes.decode,
    "base64": lambda raw: base64.b64encode(raw).decode(),
    "base64 one byte later": lambda raw: base64.b64encode(b"x" + raw).decode(),
    "base64 two bytes later": lambda raw: base64.b64encode(b"xy" + raw).decode(),
    "base64 for addresses": lambda raw: base64.urlsafe_b64encode(raw).decode(),
    "base64 in lines": lambda raw: base64.encodebytes(b"a long line of text first" + raw).decode(),
    "the header of git": lambda raw: base64.b64encode(b"x-access-token:" + raw).decode(),
    "hex": bytes.hex,
    "hex in capitals": lambda raw: raw.hex().upper(),
    "hex with colons": lambda raw: raw.hex(":"),
    "every byte percent-encoded": lambda raw: "".join(f"%{byte:02X}" for byte in raw),
    "percent-encoded": lambda raw: quote(raw, safe=""),
    "some bytes percent-encoded": lambda raw: "".join(
        chr(byte) if at % 3 else f"%{byte:02x}" for at, byte in enumerate(raw)
    ),
    "escaped as JSON can be": lambda raw: "".join(f"\\u{byte:04x}" for byte in raw),
    "as JSON": lambda raw: json.dumps(raw.decode()),
    "escaped as in C": lambda raw: "".join(f"\\x{byte:02x}" for byte in raw),
    "escaped as in HTML": lambda raw: "".join(f"&#{byte};" for byte in raw),
    "a list of numbers": lambda raw: ", ".join(str(byte) for byte in raw),
    "a list of hexadecimal numbers": lambda raw: ", ".join(f"0x{byte:02x}" for byte in raw),
}


def _pieces(key: str, size: int) -> list[str]:
    return [key[at : at + size] for at in range(0, len(key), size)]


HIDING: dict[str, Callable[[str], str]] = {
    "a space between all characters": " ".join,
    "lines": lambda key: "\n".join(_pieces(key, 5)),
    "zero-width characters": "\u200b".join,
    "a soft hyphen": lambda key: "\u00ad".join(_pieces(key, 3)),
    "strings that are joined": lambda key: "' + \"".join(_pieces(key, 7)),
    "strings on lines": lambda key: '" \\\n    "'.join(_pieces(key, 6)),
    "a list of strings": lambda key: "', '".join(_pieces(key, 4)),
}
