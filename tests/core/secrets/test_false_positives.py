"""Nothing that people wrote without a secret in it is refused."""

import secrets
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from loop_kit.core.secrets.forms import Forms
from loop_kit.core.secrets.scanner import Leak, scan

ROOT = Path(__file__).parents[3]
FORMS = Forms({"github-token": "ghs_" + secrets.token_hex(18)})


def sources() -> Iterator[Path]:
    library = Path(sysconfig.get_paths()["stdlib"])
    yield from (p for p in library.rglob("*.py") if "site-packages" not in p.parts)
    yield from (
        p
        for p in ROOT.rglob("*")
        if p.suffix in {".py", ".md", ".yml", ".json"} and ".venv" not in p.parts
    )


def test_nothing_in_the_standard_library_or_in_this_project_is_taken_for_a_secret() -> None:
    found: dict[Path, tuple[Leak, ...]] = {}
    for path in sources():
        leaks = scan(FORMS, [path.read_bytes()])
        if leaks:
            found[path] = leaks

    assert found == {}


def test_nothing_in_the_history_of_this_project_is_taken_for_a_secret() -> None:
    """Of a checkout without history, the newest commit."""
    log = ("git", "log", "--patch", "--text", "--no-ext-diff", "HEAD")
    with subprocess.Popen(log, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as git:
        assert git.stdout is not None
        pieces = iter(lambda: git.stdout.read(1024 * 1024), b"")
        assert scan(FORMS, pieces) == ()
