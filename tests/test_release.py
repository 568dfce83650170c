"""`make release`, on a scratch repository: the version, the changelog and the tag together."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CHANGES = """# Changelog

## [Unreleased]

### Added

- A thing.

## [0.1.0] - 2026-01-01

- First.
"""


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


release = _load()


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    source = tmp_path / release.VERSION
    source.parent.mkdir(parents=True)
    source.write_text('"""Text."""\n\n__version__ = "0.1.0"\n', "utf-8")
    (tmp_path / release.CHANGELOG).write_text(CHANGES, "utf-8")
    _git(tmp_path, "init", "--quiet", "--initial-branch=main")
    _git(tmp_path, "config", "user.name", "Ada")
    _git(tmp_path, "config", "user.email", "ada@example.invalid")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def test_one_command_makes_version_changelog_commit_and_tag(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release.make(project, "0.2.0", "2026-11-28")

    assert release.current(project) == "0.2.0"
    assert "## [Unreleased]\n\n## [0.2.0] - 2026-11-28\n\n### Added" in (
        (project / release.CHANGELOG).read_text("utf-8")
    )
    assert _git(project, "log", "-1", "--format=%s") == "Release 0.2.0"
    assert _git(project, "status", "--porcelain") == ""
    assert _git(project, "rev-parse", "v0.2.0^{commit}") == _git(project, "rev-parse", "HEAD")
    assert release.notes(project, "v0.2.0") == "### Added\n\n- A thing."
    assert "git push --atomic origin main v0.2.0" in capsys.readouterr().out


def test_the_printed_command_publishes_commit_and_tag_together(project: Path) -> None:
    _git(project, "init", "--quiet", "--bare", "hub.git")
    _git(project, "remote", "add", "origin", str(project / "hub.git"))
    (project / ".git/info/exclude").write_text("hub.git\n", "utf-8")
    release.make(project, "0.2.0", "2026-11-28")

    _git(project, "push", "--quiet", "--atomic", "origin", "main", "v0.2.0")

    assert _git(project / "hub.git", "rev-parse", "main") == _git(project, "rev-parse", "v0.2.0^{}")


@pytest.mark.parametrize("version", ["0.1.0", "0.0.9", "1", "v0.2.0", "0.2.0rc1", "0.02.0", ""])
def test_what_is_no_next_version_is_refused(project: Path, version: str) -> None:
    with pytest.raises(release.Refused, match=r"Choose a higher|Write it as"):
        release.make(project, version, "2026-11-28")

    assert _git(project, "log", "--oneline").count("\n") == 0


def test_a_release_that_says_nothing_is_refused(project: Path) -> None:
    release.make(project, "0.2.0", "2026-11-28")

    with pytest.raises(release.Refused, match="nothing under"):
        release.make(project, "0.3.0", "2026-11-29")


def test_files_that_are_not_committed_are_refused(project: Path) -> None:
    (project / "new.txt").write_text("x", "utf-8")

    with pytest.raises(release.Refused, match=r"new\.txt"):
        release.make(project, "0.2.0", "2026-11-28")


def test_a_tag_that_is_not_the_version_of_the_source_is_not_published(project: Path) -> None:
    with pytest.raises(release.Refused, match=r"0\.1\.0"):
        release.notes(project, "v0.2.0")


def test_the_changelog_and_the_version_of_this_project_can_be_released() -> None:
    assert release.current(ROOT)
    assert "\n## [Unreleased]\n" in (ROOT / release.CHANGELOG).read_text("utf-8")


def test_no_link_and_no_picture_of_a_published_readme_needs_a_file_beside_it() -> None:
    text = release.readme(ROOT)
    place = f"loop-kit/action/{{}}v{release.current(ROOT)}/"

    assert f"](https://github.com/{place.format('blob/')}docs/card.md)" in text
    pictures = re.findall(r'src(?:set)?="([^"]*)"', text)
    assert len(pictures) == 2
    for address in pictures:
        assert address.startswith(f"https://raw.githubusercontent.com/{place.format('')}docs/")
    targets = re.findall(r"\]\(([^)\s]+)", text)
    assert [target for target in targets if not target.startswith("https://")] == []


def test_v0_moves_only_after_all_places_have_the_release() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8"))
    jobs = workflow["jobs"]

    assert workflow["permissions"] == {}
    assert set(jobs["release"]["needs"]) == {"pypi", "image"}
    assert jobs["pypi"]["needs"] == jobs["image"]["needs"] == "build"
    assert jobs["build"]["needs"] == "test"
    assert "tags/$tag" in jobs["release"]["steps"][-1]["run"]
    assert [
        name
        for name, job in jobs.items()
        if "contents" in str(job["permissions"]) and (job["permissions"].get("contents") == "write")
    ] == ["release"]


def test_the_marketplace_and_contributors_find_what_they_look_for() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    assert action["branding"] == {"icon": "repeat", "color": "purple"}
    assert len(action["description"]) < 125

    github = ROOT / ".github"
    assert "@" in (github / "CODEOWNERS").read_text("utf-8")
    assert "- [ ] " in (github / "PULL_REQUEST_TEMPLATE.md").read_text("utf-8")
    updates = yaml.safe_load((github / "dependabot.yml").read_text("utf-8"))["updates"]
    watched = {(one["package-ecosystem"], one.get("directory")) for one in updates}
    assert {("pip", "/"), ("docker", "/"), ("npm", "/.ci/browser")} <= watched
    assert "github-actions" in {one["package-ecosystem"] for one in updates}


def test_the_release_attests_files_and_image_and_needs_no_key_of_pypi() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8"))
    used = {
        name: [step.get("uses", "").partition("@")[0] for step in job["steps"]]
        for name, job in workflow["jobs"].items()
    }

    assert "actions/attest" in used["build"]
    assert "actions/attest" in used["image"]
    assert "pypa/gh-action-pypi-publish" in used["pypi"]
    assert workflow["jobs"]["pypi"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text("utf-8")


def test_the_distribution_has_a_script_of_its_own_name_and_leads_to_its_places() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert set(project["scripts"]) == {"loop", project["name"]}
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= set(project["urls"])
    assert any(each.startswith("Development Status") for each in project["classifiers"])
