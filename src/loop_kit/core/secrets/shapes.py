"""The shapes of keys that their issuers made recognizable: a prefix, an alphabet, a length.

A change is refused for what is found here, so the table has only what cannot be anything else, and
each row names where its shape is documented.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from loop_kit.frozen import frozen

_LEAST_ENTROPY = 3.0
_LONGEST = 512
"""The bytes around a border of two pieces of a text in which the shape of a key can be."""


@frozen
class Shape:
    """One kind of key: as `pattern`, whose group 1 is random, `before` bytes before `anchor`."""

    name: str
    anchor: bytes
    pattern: bytes
    source: str
    before: int = 0


_AFTER = rb"(?![A-Za-z0-9_])"
_GITLEAKS = "gitleaks config/gitleaks.toml"
_GITHUB = "docs.github.com: About authentication to GitHub, GitHub's token formats"
_PEM = (
    rb"-----BEGIN (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:[\s\\nr\"'+,]{1,40}(?:Proc-Type|DEK-Info|Version|Comment): ?[^\n\\]{0,80}){0,3}"
    rb"[\s\\nr\"'+,]{1,40}([A-Za-z0-9+/=]{40})"
)

SHAPES = (
    *(
        Shape("a GitHub token", anchor, anchor + rb"([A-Za-z0-9]{36,255})" + _AFTER, _GITHUB)
        for anchor in (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_")
    ),
    Shape("a GitHub token", b"github_pat_", rb"github_pat_(\w{82})" + _AFTER, _GITHUB),
    Shape("a GitLab token", b"glpat-", rb"glpat-([\w-]{20,300})", _GITLEAKS),
    Shape("an Anthropic key", b"sk-ant-", rb"sk-ant-[a-z]{3,6}\d\d-([\w-]{80,120})", _GITLEAKS),
    *(
        Shape(
            "an OpenAI key", anchor, anchor + rb"([\w-]{40,200})", "platform.openai.com: API keys"
        )
        for anchor in (b"sk-proj-", b"sk-svcacct-", b"sk-admin-")
    ),
    Shape(
        "an OpenAI key",
        b"T3BlbkFJ",
        rb"sk-([A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20})" + _AFTER,
        _GITLEAKS,
        before=23,
    ),
    *(
        Shape(
            "an AWS key",
            anchor,
            rb"(?<![A-Za-z0-9/+=])" + anchor + rb"([A-Z2-7]{16})" + _AFTER,
            _GITLEAKS,
        )
        for anchor in (b"AKIA", b"ASIA")
    ),
    Shape("a Google API key", b"AIza", rb"(?<!\w)AIza([\w-]{35})(?![\w-])", _GITLEAKS),
    Shape(
        "a Slack token",
        b"xox",
        rb"xox[abprs]-((?:\d{10,13}-){1,3}[A-Za-z0-9-]{20,64})",
        "api.slack.com: Token types",
    ),
    Shape("an npm token", b"npm_", rb"(?<!\w)npm_([A-Za-z0-9]{36})" + _AFTER, "docs.npmjs.com"),
    Shape(
        "a PyPI token", b"pypi-AgEIcHlwaS5vcmc", rb"pypi-AgEIcHlwaS5vcmc([\w-]{50,300})", _GITLEAKS
    ),
    *(
        Shape(
            "a Stripe key",
            anchor,
            rb"(?<!\w)" + anchor + rb"([A-Za-z0-9]{24,99})" + _AFTER,
            _GITLEAKS,
        )
        for anchor in (b"sk_live_", b"rk_live_")
    ),
    Shape("a Hugging Face token", b"hf_", rb"(?<!\w)hf_([A-Za-z]{34})" + _AFTER, _GITLEAKS),
    Shape("a SendGrid key", b"SG.", rb"(?<!\w)SG\.([\w-]{22}\.[\w-]{43})(?![\w-])", _GITLEAKS),
    Shape("a private key", b"-----BEGIN ", _PEM, "RFC 7468; RFC 4880, 6.2"),
)


def shapes(data: bytes) -> Iterator[tuple[int, int, str]]:
    """Where `data` has what looks like a key, and what kind of key that is."""
    for shape in SHAPES:
        at = data.find(shape.anchor)
        while at >= 0:
            found = _compiled(shape.pattern).match(data, max(0, at - shape.before))
            if found and _is_random(found[1]):
                yield found.start(), found.end(), shape.name
            at = data.find(shape.anchor, at + len(shape.anchor))


@lru_cache
def _compiled(pattern: bytes) -> "re.Pattern[bytes]":
    return re.compile(pattern, re.ASCII)


def _is_random(text: bytes) -> bool:
    """Whether it is no placeholder: `xxxx`, `EXAMPLE`, or a few characters again and again."""
    if re.search(rb"example|placeholder|your|0123456789|abcdefgh", text, re.IGNORECASE):
        return False
    counts, size = Counter(text).values(), len(text)
    entropy = -sum(n / size * math.log2(n / size) for n in counts)
    return entropy >= _LEAST_ENTROPY
