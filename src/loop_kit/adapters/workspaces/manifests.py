"""Which files of a commit decide what `workspace-setup` installs: manifests and lock files.

A prepared workspace serves every commit in which they are the same, and secrets of a private
registry are for the commits alone in which they are as at the base. A Makefile counts, since setup
is often `make deps`, and so does every file that a setup command names.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from fnmatch import translate
from functools import cache

from loop_kit.adapters.git.command import Git
from loop_kit.core.card.scope import GITLINK

MANIFESTS = (
    *("package.json", "package-lock.json", "npm-shrinkwrap.json", "*-lock.json", "*-lock.yaml"),
    *("yarn.lock", "bun.lock*", "pnpm-workspace.yaml", ".pnpmfile.*", ".npmrc", ".yarnrc*"),
    *("deno.json*", "deno.lock", "lerna.json", "rush.json"),
    *("pyproject.toml", "setup.py", "setup.cfg", "*requirements*.txt", "*requirements*.in"),
    *("constraints*.txt", "Pipfile*", "poetry.*", "pdm.*", "uv.lock", "uv.toml", "pip.conf"),
    *("environment*.y*ml", "conda-lock*", "pixi.*", "tox.ini", "noxfile.py"),
    *("go.mod", "go.sum", "go.work*", "Cargo.*", "rust-toolchain*"),
    *("Gemfile*", "*.gemspec", "composer.*", "mix.exs", "mix.lock"),
    *("pom.xml", "build.gradle*", "settings.gradle*", "gradle.properties", "gradle-wrapper.*"),
    *("libs.versions.toml", "*.lockfile", "build.sbt", "deps.edn", "project.clj"),
    *("*.csproj", "*.fsproj", "*.props", "packages.lock.json", "nuget.config", "global.json"),
    *("Makefile", "makefile", "GNUmakefile", "*.mk", "justfile", "Taskfile.y*ml"),
    *(".python-version", ".node-version", ".nvmrc", ".ruby-version", ".tool-versions"),
    *("mise.toml", ".mise.toml", "*.lock"),
)


class Manifests:
    """The manifests and lock files of commits, each with its id."""

    def __init__(self, git: Git, commands: Sequence[str]) -> None:
        self._git = git
        self._named = {word for command in commands for word in _words(command)}
        self._known: dict[str, tuple[Mapping[str, str], Mapping[str, str]]] = {}

    def of(self, sha: str) -> Mapping[str, str]:
        """The id of each manifest of the commit, by its path."""
        return self._read(sha)[0]

    def submodules(self, sha: str) -> Mapping[str, str]:
        """The commit of each submodule, by its path."""
        return self._read(sha)[1]

    def changed(self, base: str, sha: str) -> tuple[str, ...]:
        """The manifests that differ between two commits."""
        before, after = self.of(base), self.of(sha)
        paths = sorted({*before, *after})
        return tuple(path for path in paths if before.get(path) != after.get(path))

    def _read(self, sha: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        if sha not in self._known:
            listing = self._git.run("ls-tree", "-r", "-z", "--full-tree", sha, timeout=120).out
            files: dict[str, str] = {}
            links: dict[str, str] = {}
            for entry in listing.decode("utf-8", "surrogateescape").split("\0")[:-1]:
                about, _, path = entry.partition("\t")
                mode, _, oid = about.split(" ")
                if mode == GITLINK:
                    links[path] = oid
                elif path in self._named or is_manifest(path):
                    files[path] = f"{mode} {oid}"
            self._known[sha] = files, links
        return self._known[sha]


def is_manifest(path: str) -> bool:
    """Whether a file is called as manifests and lock files are."""
    return _manifest().match(path.rpartition("/")[2]) is not None


@cache
def _manifest() -> re.Pattern[str]:
    """What manifests are called; few runs ask."""
    return re.compile("|".join(map(translate, MANIFESTS)))


def _words(command: str) -> Sequence[str]:
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return [word.removeprefix("./") for word in words]
