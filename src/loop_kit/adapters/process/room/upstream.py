"""What the proxy that holds a model key, and the bridge to it, have to agree on."""

from loop_kit.frozen import frozen

PORT = 8719
"""Of the bridge, on the room's own loopback, where nobody else listens when it starts."""
WATCH = b"WATCH"
"""The request of who wants to know when the proxy ends: it is answered by the end."""


@frozen
class Upstream:
    """The one server. `header` is the name of the header that carries the key."""

    url: str
    key: str
    header: str = "authorization"
    proxy: str = ""

    @property
    def credential(self) -> bytes:
        """The header line that authorizes."""
        scheme = "Bearer " if self.header == "authorization" else ""
        return f"{self.header}: {scheme}{self.key}".encode("latin-1")
