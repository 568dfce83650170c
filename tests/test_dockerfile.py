"""The Dockerfile names the same versions as everything else, and what it copies is there.

That it builds, and that a loop runs inside the image, is proved by `.ci/image`.
"""

import re
from fnmatch import fnmatch
from pathlib import Path

from loop_kit.adapters.agents.catalogue import KNOWN
from loop_kit.core.agent.checkup import version_text

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
CI = "\n".join((ROOT / ".ci" / name).read_text("utf-8") for name in ("run", "image"))
PAGE = (ROOT / "docs" / "container.md").read_text("utf-8")


def _instructions() -> list[tuple[str, str]]:
    """Every instruction of the Dockerfile and what follows it, with its lines joined."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    parts = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(name, rest) for name, rest in parts]


def _all(name: str) -> list[str]:
    return [rest for instruction, rest in _instructions() if instruction == name]


def _copied() -> list[str]:
    """What is copied from the build context; the last word is where it goes."""
    copies = [rest.split() for rest in _all("COPY") if not rest.startswith("--from=")]
    return [path for words in copies for path in words[:-1]]


def test_agents_have_the_versions_that_their_flags_were_checked_with() -> None:
    arguments = dict(rest.split("=") for rest in _all("ARG"))

    assert arguments == {
        f"{name.upper()}_VERSION": version_text(program.checked) for name, program in KNOWN.items()
    }
    for program in KNOWN.values():
        assert f"{program.package}@{version_text(program.checked)}" in CI
        assert f"{program.package}@$" in DOCKERFILE


def test_the_base_image_is_pinned_by_digest_and_is_the_release_that_ci_stands_in_for() -> None:
    stages = [rest.split() for rest in _all("FROM")]
    names = {words[-1] for words in stages if "AS" in words}
    outside = [words[0] for words in stages if words[0] not in names]
    (release,) = re.findall(r"^RELEASE=(\w+)$", CI, re.MULTILINE)

    (base,) = outside
    assert re.fullmatch(
        rf"docker\.io/library/debian:{release}-\d+-slim@sha256:[0-9a-f]{{64}}", base
    )
    assert "latest" not in DOCKERFILE


def test_whoever_runs_the_image_is_not_root_and_has_a_number() -> None:
    (user,) = _all("USER")
    instructions = [name for name, _ in _instructions()]

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert "RUN" not in instructions[instructions.index("USER") :]
    assert _all("ENTRYPOINT") == ['["loop"]']
    assert _all("CMD") == ['["--help"]']


def test_everything_that_is_copied_is_there_and_let_into_the_build() -> None:
    ignored, *rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()[1:]
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}

    assert ignored == "*"
    assert set(_copied()) == allowed
    for path in _copied():
        assert (ROOT / path).exists(), path
        assert not any(fnmatch(path, rule) for rule in rules), path


def test_python_packages_are_installed_from_the_lock_file_by_hash() -> None:
    installs = [
        rest for rest in _all("RUN") if " install " in rest and "pip" in rest.split(";")[-1]
    ]
    locked = [rest for rest in installs if "--requirement requirements.lock" in rest]

    assert len(locked) == 1
    assert "--require-hashes" in locked[0]
    assert all("--require-hashes" in rest or "--no-index" in rest for rest in installs)


def test_its_page_shows_how_to_build_and_use_it() -> None:
    assert "docker build" in PAGE
    assert all(f"{name.upper()}_VERSION" in PAGE for name in KNOWN)
    assert "container:" in PAGE
