"""A build cache of Go for one room: what the user's has is read there, what is new is its own.

Go keeps its standard library compiled in this cache alone, so a room without it compiles all of
that again, for each program. Where a layer over the cache cannot be mounted, Go (1.24 and newer)
asks this program instead, in the words of `GOCACHEPROG`; the files are those that Go itself keeps.

Source: cmd/go/internal/cacheprog and cmd/go/internal/cache of Go.
"""

import base64
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

_COMMANDS = ["get", "put", "close"]


def main(arguments: Sequence[str], asked: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until there is no more; `arguments` are the folders of the user and of the room."""
    shared, own = arguments
    for answer in _answers(shared, own, asked):
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def _answers(shared: str, own: str, asked: IO[bytes]) -> Iterator[dict[str, Any]]:
    yield {"ID": 0, "KnownCommands": _COMMANDS}
    lines = (line for line in asked if line.strip())
    for line in lines:
        request = json.loads(line)
        answer: dict[str, Any] = {"ID": request["ID"]}
        try:
            if request["Command"] == "get":
                answer |= _get(request, own) or _get(request, shared) or {"Miss": True}
            elif request["Command"] == "put":
                body = json.loads(next(lines)) if request.get("BodySize") else ""
                answer["DiskPath"] = _put(request, base64.b64decode(body), own)
        except OSError as error:
            answer["Err"] = f"{error.filename}: {error.strerror}"
        yield answer


def _get(request: dict[str, Any], folder: str) -> dict[str, Any] | None:
    """What is kept for an action, if all of it is there."""
    try:
        with open(_path(folder, _hex(request, "ActionID"), "a"), encoding="ascii") as file:
            _, _, output, size, _ = file.read(300).split()
        path = _path(folder, output, "d")
        if os.stat(path).st_size != int(size):
            return None
    except (OSError, ValueError):
        return None
    found = base64.b64encode(bytes.fromhex(output)).decode()
    return {"OutputID": found, "Size": int(size), "DiskPath": path}


def _put(request: dict[str, Any], body: bytes, folder: str) -> str:
    """Keep the output of an action; where it is now."""
    action, output = _hex(request, "ActionID"), _hex(request, "OutputID")
    path = _path(folder, output, "d")
    _write(path, body)
    entry = f"v1 {action} {output} {len(body):20} {time.time_ns():20}\n"
    _write(_path(folder, action, "a"), entry.encode())
    return path


def _write(path: str, content: bytes) -> None:
    """Write a file that others may be reading."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    written = f"{path}.{os.getpid()}"
    with open(written, "wb") as file:
        file.write(content)
    os.replace(written, path)


def _hex(request: dict[str, Any], name: str) -> str:
    return base64.b64decode(request[name]).hex()


def _path(folder: str, name: str, kind: str) -> str:
    return f"{folder}/{name[:2]}/{name}-{kind}"


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer)
