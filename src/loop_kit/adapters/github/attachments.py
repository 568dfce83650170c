"""Fetches a task card that is attached to an issue or a pull request.

The link is untrusted text. It is requested without a token, cookies or a login of the machine, and
redirects are followed by hand to GitHub's own hosts only: a link must not make a job, with its
token and its network, fetch what its author cannot. A file that needs a login can therefore not be
fetched, and that includes attachments of private repositories.
"""

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin, urlsplit

from loop_kit.adapters.retry import retry
from loop_kit.core.card.task import MAX_CARD_BYTES
from loop_kit.core.text.sanitize import one_line
from loop_kit.errors import BadCard, ForgeUnavailable, LoopError
from loop_kit.frozen import frozen

if TYPE_CHECKING:
    import requests

R = TypeVar("R")

_PATH = re.compile(
    r"/(?:user-attachments|[\w.-]{1,100}/[\w.-]{1,100})/files/[0-9]{1,20}"
    r"/[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.(?:json|yml|yaml)",
    re.ASCII | re.IGNORECASE,
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRY_LATER = frozenset({408, 429})
_MAX_REDIRECTS = 3
_PIECE = 16 * 1024
_PASTE = "Paste it as a block into the text."


@frozen
class Hosts:
    """The hosts that links to attachments name and that store them: patterns of whole host names.

    The two buckets are named in full, because anybody can have one with a similar name. Times are
    seconds: `timeout` for each wait, `pace` the unit of pauses between tries, and after `deadline`
    nothing more is requested or read.
    """

    page: str = "github.com"
    storage: tuple[re.Pattern[str], ...] = (
        re.compile(r"[a-z0-9-]+\.githubusercontent\.com"),
        re.compile(r"github-production-repository-file-5c1aeb\.s3\.amazonaws\.com"),
        re.compile(r"github-production-user-asset-6210df\.s3\.amazonaws\.com"),
    )
    scheme: str = "https"
    timeout: float = 15
    deadline: float = 60
    pace: float = 0.5

    def has_page(self, url: str) -> bool:
        """Whether `url` is a link to an attachment."""
        scheme, host, path = _parts(url)
        linked = scheme == self.scheme and host == self.page
        return linked and bool(_PATH.fullmatch(path)) and not re.search(r"[?#]", url)

    def has_file(self, url: str) -> bool:
        """Whether `url` is in the storage; a login or a port in it makes it another host."""
        scheme, host, _ = _parts(url)
        stored = any(pattern.fullmatch(host) for pattern in self.storage)
        return scheme == self.scheme and stored


GITHUB = Hosts()


def fetch_attachment(
    url: str,
    limit: int = MAX_CARD_BYTES,
    hosts: Hosts = GITHUB,
    sleep: Callable[[float], None] = time.sleep,
) -> bytes:
    """The bytes of the attachment at `url`, as they are, at most `limit`.

    Raises:
        BadCard: it is no link to an attachment, leads elsewhere, or is private, gone or too long.
        ForgeUnavailable: there is no answer, or only a transient error.
    """
    if not hosts.has_page(url):
        raise BadCard(
            f"{_subject(url)} is no attachment on {hosts.page}.", _PASTE, anchor="card-attachment"
        )
    until = time.monotonic() + hosts.deadline
    return retry(
        lambda: _fetch_once(url, limit, hosts, until),
        sleep,
        if_error=lambda error: isinstance(error, ForgeUnavailable),
        pace=hosts.pace,
        within=hosts.deadline,
    )


def _fetch_once(url: str, limit: int, hosts: Hosts, until: float) -> bytes:
    import requests
    import urllib3

    try:
        with plain_session() as session:
            return _follow(session, url, limit, hosts, until)
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise _unavailable(url, type(error).__name__) from None


def plain_session() -> "requests.Session":
    """A session that uses proxies and certificates of the environment, but no login."""
    from http.cookiejar import DefaultCookiePolicy

    import requests
    from requests.cookies import RequestsCookieJar

    class ByHand(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> None:
            """None: the library would read the whole answer to prepare the next request."""

    session = ByHand()
    session.auth = _without_login
    session.headers["Accept-Encoding"] = "identity"
    session.cookies = RequestsCookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _without_login(request: R) -> R:
    """Leave `request` as it is; without this the library would add a login from ~/.netrc."""
    return request


def _follow(session: "requests.Session", url: str, limit: int, hosts: Hosts, until: float) -> bytes:
    place = url
    for _ in range(_MAX_REDIRECTS + 1):
        _refuse_slowness(url, until)
        with session.get(place, stream=True, allow_redirects=False, timeout=hosts.timeout) as reply:
            if reply.status_code not in _REDIRECTS:
                _refuse_status(url, reply.status_code)
                return _read_body(reply, url, limit, until)
            place = _next(place, reply.headers.get("Location", ""))
        if not hosts.has_page(place) and not hosts.has_file(place):
            host = _parts(place)[1]
            raise BadCard(
                f"{_subject(url)} leads to {one_line(host, 80) or 'nowhere'},"
                " which keeps no attachments: it may be private.",
                _PASTE,
                anchor="card-attachment",
            )
    raise BadCard(
        f"{_subject(url)} leads from one place to the next without end.",
        _PASTE,
        anchor="card-attachment",
    )


def _refuse_status(url: str, status: int) -> None:
    if status >= 500 or status in _RETRY_LATER:
        raise _unavailable(url, str(status))
    if status != 200:
        raise BadCard(
            f"{_subject(url)} is private or gone ({status}).", _PASTE, anchor="card-attachment"
        )


def _read_body(reply: "requests.Response", url: str, limit: int, until: float) -> bytes:
    """Read the body piece by piece, so that a slow one cannot hold up the job."""
    found = bytearray()
    while piece := reply.raw.read1(_PIECE, decode_content=True):
        found += piece
        if len(found) > limit:
            raise BadCard(
                f"{_subject(url)} is over the limit of {limit} bytes.",
                "Say the goal in fewer words and point to files in the repository.",
                anchor="card-too-long",
            )
        _refuse_slowness(url, until)
    return bytes(found)


def _refuse_slowness(url: str, until: float) -> None:
    if time.monotonic() > until:
        raise _unavailable(url, "too slow")


def _unavailable(url: str, why: str) -> LoopError:
    return ForgeUnavailable(
        f"{_subject(url)} cannot be fetched now ({why}).", f"Run the job again. Or: {_PASTE}"
    )


def _next(place: str, location: str) -> str:
    try:
        return urljoin(place, location) if location else ""
    except ValueError:
        return ""


def _parts(url: str) -> tuple[str, str, str]:
    """Scheme, host with a login and port, and path; all '' where `url` is no plain address."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "", "", ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", "", ""
    return parts.scheme, parts.netloc.lower(), parts.path


def _subject(url: str) -> str:
    """The subject of an error sentence: the link without its signature."""
    return f"The attachment {one_line(url.partition('?')[0], 200)}"
