"""Starts the program that holds a model key while an agent works in a room without a network."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from loop_kit.adapters.files.owned_folder import OwnedFolder
from loop_kit.adapters.process.dialogue import DialogueEnded, read_line
from loop_kit.adapters.process.process import start_dialogue
from loop_kit.adapters.process.room.box import isolated
from loop_kit.adapters.process.room.unix_socket import connected
from loop_kit.adapters.process.room.upstream import PORT, Upstream
from loop_kit.frozen import frozen

ADDRESS = f"http://127.0.0.1:{PORT}"
"""Where an agent in a room finds the model."""
_SOCKET = "model"
_START_SECONDS = 20.0
_PASSED = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH", "LANG")


@frozen
class ModelProxy:
    """A proxy that runs: the folder with its socket is to be bound into the room."""

    folder: Path

    def check(self) -> None:
        """Refuse to go on without it.

        Raises:
            OSError: nobody answers at its socket any more.
        """
        try:
            connected(str(self.folder / _SOCKET), _START_SECONDS).close()
        except OSError:
            raise OSError(
                "The proxy that holds the model key has ended, so the agent had no model."
            ) from None

    def bridged(self, argv: Sequence[str]) -> list[str]:
        """The command line that starts `argv` so that it finds the proxy at `ADDRESS`."""
        return [*isolated("bridge"), str(self.folder / _SOCKET), *argv]


@contextmanager
def model_proxy(upstream: Upstream, environ: Mapping[str, str]) -> Iterator[ModelProxy]:
    """Run the proxy; `environ` says which certificates it trusts.

    Raises:
        OSError: it cannot be started.
    """
    owned = OwnedFolder()
    folder = owned.path
    env = {name: environ[name] for name in _PASSED if name in environ}
    try:
        dialogue = start_dialogue([*isolated("proxy"), _SOCKET], cwd=folder, env={**env})
        try:
            given = json.dumps(asdict(upstream)).encode() + b"\n"
            with dialogue.ask(given, _START_SECONDS) as answers:
                read_line(answers)
            yield ModelProxy(folder)
        except DialogueEnded:
            raise OSError("The proxy that holds the model key did not start.") from None
        finally:
            dialogue.close()
    finally:
        owned.remove()


def company_proxy(url: str, environ: Mapping[str, str]) -> str:
    """The network's own proxy for `url` by the usual variables, or ''."""
    from requests.utils import should_bypass_proxies

    named = environ.get("HTTPS_PROXY") or environ.get("https_proxy") or ""
    excepted = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    if not named or urlsplit(url).scheme != "https" or should_bypass_proxies(url, excepted):
        return ""
    return named
