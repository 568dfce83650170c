"""Makes a release: the version, the changelog and the tag, in one commit that nobody wrote by hand.

    make release VERSION=0.2.0               on the branch that is released
    python .ci/release.py notes v0.2.0       what the changelog says of it
    python .ci/release.py readme             the README for where no file is beside it

Nothing is pushed: the command that does it is printed, and the pushed tag is what publishes
(`.github/workflows/release.yml`).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSION = Path("src/loop_kit/__init__.py")
CHANGELOG = Path("CHANGELOG.md")
_ASSIGNED = re.compile(r'^__version__ = "(?P<version>[^"]+)"$', re.MULTILINE)
_NUMBERS = re.compile(r"^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$")
_LINK = re.compile(r"\]\((?!https?:|#)(?P<target>[^)\s]+)")
_PICTURE = re.compile(r' (?P<name>src|srcset)="(?!https?:)(?P<target>[^"]+)"')
_SECTION = re.compile(
    r"^## \[(?P<name>[^\]]+)\][^\n]*\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL
)


class Refused(Exception):
    """A release that cannot be made; the message says why and what helps."""


def main(arguments: list[str]) -> int:
    """Runs the command in the folder that holds this script; returns its exit code."""
    parser = argparse.ArgumentParser(description="Makes a release of loop-kit.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("make", help="commit and tag it").add_argument("version")
    commands.add_parser("notes", help="print its changelog").add_argument("tag")
    commands.add_parser("readme", help="print it with links that lead somewhere from anywhere")
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "make":
            make(ROOT, asked.version, datetime.now(UTC).date().isoformat())
        elif asked.command == "notes":
            print(notes(ROOT, asked.tag))
        else:
            print(readme(ROOT), end="")
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    return 0


def make(root: Path, version: str, day: str) -> None:
    """Commits `version`, with the changelog of `day`, and tags it.

    Raises:
        Refused: the number is no next version, files are changed, or the changelog says nothing.
    """
    before = current(root)
    if _numbers(version) <= _numbers(before):
        raise Refused(f"{version} does not follow {before}. Choose a higher version.")
    if changed := _git(root, "status", "--porcelain"):
        raise Refused(f"Files are not committed:\n{changed}\nCommit or stash them.")
    if _git(root, "tag", "--list", f"v{version}"):
        raise Refused(f"The tag v{version} is there already. Choose a higher version.")
    text = (root / CHANGELOG).read_text("utf-8")
    if not _sections(text).get("Unreleased"):
        raise Refused(f"{CHANGELOG} has nothing under [Unreleased]. Say there what is new.")
    heading = "## [Unreleased]\n"
    (root / CHANGELOG).write_text(
        text.replace(heading, f"{heading}\n## [{version}] - {day}\n", 1), "utf-8"
    )
    source = (root / VERSION).read_text("utf-8")
    (root / VERSION).write_text(source.replace(f'"{before}"', f'"{version}"', 1), "utf-8")
    _git(root, "commit", "--quiet", "--message", f"Release {version}", "--", *map(str, _FILES))
    _git(root, "tag", "--annotate", f"v{version}", "--message", f"loop-kit {version}")
    branch = _git(root, "branch", "--show-current")
    print(f"Release {version} is committed and tagged. Publish it:")
    print(f"  git push --atomic origin {branch} v{version}")


def notes(root: Path, tag: str) -> str:
    """What the changelog says of `tag`.

    Raises:
        Refused: the tag is not the version of the source, or the changelog lacks it.
    """
    version = current(root)
    if tag != f"v{version}":
        raise Refused(f"{tag} is not the version of the source, {version}. Tag with make release.")
    text = _sections((root / CHANGELOG).read_text("utf-8")).get(version)
    if not text:
        raise Refused(f"{CHANGELOG} has no section [{version}]. Release with make release.")
    return text


def readme(root: Path) -> str:
    """The README with its links and pictures as addresses of this version."""
    tag = f"v{current(root)}"
    text = (root / "README.md").read_text("utf-8")
    text = _LINK.sub(rf"](https://github.com/loop-kit/action/blob/{tag}/\g<target>", text)
    place = f"https://raw.githubusercontent.com/loop-kit/action/{tag}"
    return _PICTURE.sub(rf' \g<name>="{place}/\g<target>"', text)


def current(root: Path) -> str:
    """The version of the source below `root`."""
    found = _ASSIGNED.search((root / VERSION).read_text("utf-8"))
    if found is None:
        raise Refused(f"{VERSION} assigns no __version__. Restore that line.")
    return found["version"]


_FILES = (VERSION, CHANGELOG)


def _numbers(version: str) -> tuple[int, ...]:
    if not (found := _NUMBERS.match(version)):
        raise Refused(f"{version!r} is not a version. Write it as 1.2.3.")
    return tuple(map(int, found.groups()))


def _sections(text: str) -> dict[str, str]:
    return {found["name"]: found["text"].strip() for found in _SECTION.finditer(text)}


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Refused(done.stderr.strip() or f"git {arguments[0]} failed.")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
