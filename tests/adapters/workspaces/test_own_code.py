"""What the action is run from, after a program without a room that writes there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from loop_kit.adapters.workspaces.own_code import OwnCode
from loop_kit.ports import Tampered


@pytest.fixture
def code(tmp_path: Path) -> OwnCode:
    files = {
        "src/loop_kit/engine.py": "approve = False\n",
        "src/loop_kit/__pycache__/engine.cpython-311.pyc": "compiled",
        "loop-kit-venv-1/loop-kit-ready": "",
        "loop-kit-venv-1/lib/yaml.py": "safe = True\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return OwnCode(tmp_path / "src", tmp_path / "loop-kit-venv-1")


def same_length(path: Path) -> None:
    about = path.stat()
    path.write_text(path.read_text().replace("False", "True "))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "rewritten": lambda src: same_length(src / "loop_kit" / "engine.py"),
    "removed": lambda src: (src / "loop_kit" / "engine.py").unlink(),
    "a link": lambda src: [
        (src / "loop_kit" / "engine.py").unlink(),
        (src / "loop_kit" / "engine.py").symlink_to("/etc/passwd"),
    ],
    "a new module": lambda src: (src / "json.py").write_text("evil"),
    "no package": lambda src: [(src / "loop_kit").rename(src / "x"), (src / "loop_kit").touch()],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_our_package_is_put_back(
    code: OwnCode, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    with pytest.raises(Tampered, match=r"\.py"), code.kept():
        damage(tmp_path / "src")

    files = [path for path in (tmp_path / "src").rglob("*") if path.is_file()]
    assert [path.relative_to(tmp_path).as_posix() for path in files if path.suffix != ".pyc"] == [
        "src/loop_kit/engine.py"
    ]
    assert (tmp_path / "src/loop_kit/engine.py").read_text() == "approve = False\n"
    with code.kept():
        pass


@pytest.mark.parametrize("name", ["lib/yaml.py", "lib/new.pth", "bin/python"])
def test_an_environment_that_was_changed_is_not_ready_any_more(
    code: OwnCode, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "loop-kit-venv-1" / name
    (tmp_path / "loop-kit-venv-1" / "bin").mkdir()

    with pytest.raises(Tampered, match="loop-kit-venv-1"), code.kept():
        path.write_text("evil")

    assert not (tmp_path / "loop-kit-venv-1" / "loop-kit-ready").exists()


def test_compiled_files_are_thrown_away_and_prove_nothing(code: OwnCode, tmp_path: Path) -> None:
    ours = tmp_path / "src/loop_kit/__pycache__/engine.cpython-311.pyc"
    others = tmp_path / "loop-kit-venv-1/lib/yaml.pyc"

    with code.kept():
        ours.write_text("changed")
        others.write_text("new")

    assert not ours.exists()
    assert not others.exists()
    assert (tmp_path / "loop-kit-venv-1" / "loop-kit-ready").exists()


def test_a_process_that_the_action_did_not_install_looks_after_nothing() -> None:
    assert OwnCode.of_action() is None
