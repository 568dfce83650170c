"""What Go is answered about its build cache in a room that has no layer over it."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from loop_kit.adapters.process.room.go_cache import main

ACTION, OUTPUT = bytes(32), bytes(range(32))


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def ask(shared: Path, own: Path, *requests: dict[str, Any] | str) -> list[dict[str, Any]]:
    """The answers after the first, which names the commands."""
    lines = "\n\n".join(json.dumps(each) for each in requests)
    answers = io.BytesIO()
    main([str(shared), str(own)], io.BytesIO(lines.encode()), answers)
    first, *others = map(json.loads, answers.getvalue().splitlines())
    assert first == {"ID": 0, "KnownCommands": ["get", "put", "close"]}
    return others


def request(number: int, command: str, **more: Any) -> dict[str, Any]:
    return {"ID": number, "Command": command, "ActionID": text(ACTION), **more}


PUT = (request(1, "put", OutputID=text(OUTPUT), BodySize=4), text(b"code"))
GET = request(2, "get")


def test_what_is_built_in_the_room_is_found_there_and_not_left_in_the_users_cache(
    tmp_path: Path,
) -> None:
    shared, own = tmp_path / "shared", tmp_path / "own"
    put, got, closed = ask(shared, own, *PUT, GET, {"ID": 3, "Command": "close"})

    path = own / "00" / f"{OUTPUT.hex()}-d"
    assert put == {"ID": 1, "DiskPath": str(path)}
    assert got == {"ID": 2, "OutputID": text(OUTPUT), "Size": 4, "DiskPath": str(path)}
    assert closed == {"ID": 3}
    assert path.read_bytes() == b"code"
    assert not shared.exists()


def test_what_the_user_has_built_is_found(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared", tmp_path / "own"
    ask(tmp_path / "none", shared, *PUT)

    (got,) = ask(shared, own, GET)

    assert got["DiskPath"] == str(shared / "00" / f"{OUTPUT.hex()}-d")


@pytest.mark.parametrize("damage", [b"", b"v1 x", b"v1 a b c d\n", b"\xff" * 300])
def test_what_is_damaged_is_built_again(tmp_path: Path, damage: bytes) -> None:
    ask(tmp_path, tmp_path, *PUT)
    (tmp_path / "00" / f"{ACTION.hex()}-a").write_bytes(damage)

    assert ask(tmp_path, tmp_path, GET) == [{"ID": 2, "Miss": True}]


def test_an_output_that_is_cut_off_is_built_again(tmp_path: Path) -> None:
    ask(tmp_path, tmp_path, *PUT)
    (tmp_path / "00" / f"{OUTPUT.hex()}-d").write_bytes(b"co")

    assert ask(tmp_path, tmp_path, GET) == [{"ID": 2, "Miss": True}]


def test_what_cannot_be_kept_is_an_answer(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    (put,) = ask(tmp_path, tmp_path / "file", *PUT)

    assert put["ID"] == 1
    assert "Not a directory" in put["Err"]
