"""`loop doctor`, through the installed command, with fake programs on PATH."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.cli.harness import TWO_ROUNDS, Repo, Result
from tests.support.git_server import GitServer
from tests.support.github_server import GitHubServer

from loop_kit.adapters.agents.catalogue import KNOWN

HELP = "\n".join(f"  {flag} <VALUE>" for known in KNOWN.values() for flag in known.flags)
VERSIONS = {"codex": "codex-cli 0.169.0", "claude": "2.1.330 (Claude Code)", "opencode": "1.18.33"}
KEY = "sk-proj-0123456789abcdefghij"


def install(repo: Repo, name: str, version: str = "", help_text: str = HELP) -> Path:
    """Put a program on PATH that prints a version and a help text."""
    for kind, text in (("version", version or VERSIONS[name]), ("help", help_text)):
        (repo.fake / f"{name}.{kind}").write_text(text, "utf-8")
    stem = repo.fake / name
    cases = f"--version) cat {stem}.version;; *--help) cat {stem}.help >&2;; *) exit 9"
    return script(repo, name, f'case "$*" in {cases};; esac')


def script(repo: Repo, name: str, body: str) -> Path:
    path = repo.bin / name
    path.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def ready(repo: Repo) -> Repo:
    """A repository where the default backend is installed and has a key."""
    for name in VERSIONS:
        install(repo, name)
    repo.extra["CODEX_API_KEY"] = KEY
    return repo


def states(result: Result) -> dict[str, str]:
    """The word for each check, by its name."""
    body = json.loads(result.out)
    return {check["name"]: check["state"] for check in body["checks"]}


def detail(result: Result, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        check for check in json.loads(result.out)["checks"] if check["name"] == name
    )
    return found


def assert_not_ready(result: Result, *words: str) -> None:
    """Exit code 3, a last line that says why, and nothing that looks like a bug."""
    assert "Traceback" not in result.text, result.text
    assert result.code == 3, result.text
    last = result.out.splitlines()[-1]
    assert last.startswith("Not ready"), result.out
    for word in words:
        assert word in result.out, result.out


def everything(*folders: Path) -> dict[str, float]:
    return {str(path): path.lstat().st_mtime_ns for folder in folders for path in folder.rglob("*")}


def test_a_machine_with_everything_is_ready(ready: Repo) -> None:
    shown = ready.loop("doctor")

    lines = shown.out.splitlines()
    assert shown.code == 0, shown.text
    assert lines[-1] == "Ready: worker codex, reviewer codex."
    assert any(line.startswith("codex           ok       0.169.0, ") for line in lines)
    assert "codex login     ok       by CODEX_API_KEY" in lines
    assert any(line.startswith("repository      ok       ") for line in lines)
    assert "\x1b" not in shown.out


def test_the_same_is_there_as_json(ready: Repo) -> None:
    shown = ready.loop("doctor", "--json")

    body = json.loads(shown.out)
    assert (shown.code, body["ready"]) == (0, True)
    assert body["roles"] == {"worker": "codex", "reviewer": "codex"}
    assert detail(shown, "codex")["needed"]
    assert not detail(shown, "claude")["needed"]
    assert {"python", "git", "settings", "opencode flags", "scripted"} <= states(shown).keys()


def test_looking_changes_nothing_in_the_repository_and_the_home(ready: Repo) -> None:
    before = everything(ready.root, ready.home)

    assert ready.loop("doctor").code == 0
    assert everything(ready.root, ready.home) == before


def test_without_a_key_it_says_what_to_type_to_see_a_login_and_to_log_in(ready: Repo) -> None:
    shown = ready.loop("doctor", env={"CODEX_API_KEY": ""})

    assert shown.code == 0, shown.text
    assert "codex login     warn     no CODEX_API_KEY" in shown.out
    assert "see its own login with: codex login status" in shown.out
    assert "fix:     codex login, or: export CODEX_API_KEY=..." in shown.out
    assert shown.out.splitlines()[-1] == "Ready: worker codex, reviewer codex."


def test_the_login_files_of_other_programs_are_not_read(ready: Repo) -> None:
    folder = ready.home / ".codex"
    folder.mkdir()
    (folder / "auth.json").write_text(json.dumps({"tokens": {"access_token": KEY}}), "utf-8")

    shown = ready.loop("doctor", env={"CODEX_API_KEY": ""})

    assert (shown.code, "auth.json" in shown.text) == (0, False)
    assert KEY not in shown.text


@pytest.mark.parametrize("variable", ["LOOP_ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"])
def test_a_key_counts_from_every_place_from_which_a_run_takes_it(
    ready: Repo, variable: str
) -> None:
    chosen = ("doctor", "--json", "--worker-backend", "claude")
    without = ready.loop(*chosen)
    given = ready.loop(*chosen, env={variable: KEY})

    assert (without.code, states(without)["claude login"]) == (0, "warn")
    assert (given.code, states(given)["claude login"]) == (0, "ok")


def test_a_broken_backend_that_nobody_uses_is_listed_and_does_not_matter(ready: Repo) -> None:
    script(ready, "claude", "exit 1")

    shown = ready.loop("doctor", "--json")

    assert (shown.code, states(shown)["claude"]) == (0, "wrong")
    assert detail(shown, "claude")["fix"] == (
        "npm install --global @anthropic-ai/claude-code@2.1.330"
    )


def test_settings_card_and_flags_say_which_backend_matters(ready: Repo) -> None:
    script(ready, "claude", "exit 1")
    asked = ("doctor", "--worker-backend", "codex", "--reviewer-backend", "codex")
    (ready.folder / "config.yaml").write_text("worker_backend: claude\n", "utf-8")
    assert_not_ready(ready.loop("doctor"), "claude (wrong)", "worker claude, reviewer codex")
    (ready.folder / "config.yaml").unlink()
    ready.card(reviewer={"backend": "claude"})
    assert_not_ready(ready.loop("doctor"), "claude (wrong)", "worker codex, reviewer claude")

    assert ready.loop(*asked).code == 0


def test_the_configuration_that_counts_is_named(ready: Repo) -> None:
    (ready.folder / "config.yaml").write_text("# worker_backend: claude\n", "utf-8")
    (ready.folder / "config.json").write_text('{"worker_backend": "codex"}', "utf-8")

    shown = ready.loop("doctor")

    assert str(ready.folder / "config.json") in shown.out, shown.text


def test_the_card_of_the_example_is_not_ready(ready: Repo) -> None:
    ready.loop("init")
    example = ready.folder / "examples" / "task_card.json"
    (ready.folder / "task_card.json").write_bytes(example.read_bytes())

    assert_not_ready(ready.loop("doctor"), "the goal is still that of the example")


def test_of_preferred_backends_the_first_that_is_there_is_checked(ready: Repo) -> None:
    (ready.folder / "config.yaml").write_text("backend_preference: [opencode, codex]\n", "utf-8")

    shown = ready.loop("doctor")

    assert shown.code == 0, shown.text
    assert shown.out.splitlines()[-1] == "Ready: worker opencode, reviewer opencode."


def test_people_and_the_embedded_agent_need_no_program(ready: Repo) -> None:
    for name in VERSIONS:
        script(ready, name, "exit 1")
    chosen = ("doctor", "--worker-backend", "manual", "--reviewer-backend", "scripted")

    assert_not_ready(ready.loop(*chosen), "script.yml cannot be read")
    (ready.folder / "script.yml").write_text("scenes: []\n", "utf-8")
    shown = ready.loop(*chosen)

    assert shown.code == 0, shown.text
    assert shown.out.splitlines()[-1] == "Ready: worker manual, reviewer scripted."


def test_an_unknown_backend_is_refused_with_the_nearest_name(ready: Repo) -> None:
    assert_not_ready(
        ready.loop("doctor", "--worker-backend", "codx"),
        "Unknown backend 'codx' for the worker",
        "fix:     Did you mean 'codex'?",
    )


def test_a_command_of_the_users_own_is_looked_for_too(ready: Repo) -> None:
    gone = ready.loop("doctor", env={"LOOP_WORKER_COMMAND": "no-such-program --now"})
    there = ready.loop("doctor", env={"LOOP_WORKER_COMMAND": "codex --now"})

    assert_not_ready(gone, "command (missing)", "no-such-program", "put it on PATH")
    assert there.code == 0, there.text
    assert there.out.splitlines()[-1] == "Ready: worker command, reviewer codex."


def test_a_backend_of_a_package_is_listed_and_may_fail_without_a_traceback(
    ready: Repo, tmp_path: Path
) -> None:
    package = tmp_path / "packages"
    info = package / "theirs-1.dist-info"
    info.mkdir(parents=True)
    (package / "theirs.py").write_text("def make(setup):\n    raise ZeroDivisionError\n", "utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n", "utf-8")
    (info / "entry_points.txt").write_text("[loop_kit.backends]\ntheirs = theirs:make\n", "utf-8")
    env = {"PYTHONPATH": str(package)}

    listed = ready.loop("doctor", "--json", env=env)
    chosen = ready.loop("doctor", "--worker-backend", "theirs", env=env)

    assert listed.code == 0, listed.text
    assert detail(listed, "theirs")["detail"] == "registered, no check known"
    assert_not_ready(chosen, "a backend failed: ZeroDivisionError", "agents (wrong)")


def test_a_version_without_our_flags_stops_and_names_the_version_to_install(ready: Repo) -> None:
    install(ready, "codex", "codex-cli 0.999.0", HELP.replace("--skip-git-repo-check", "--gone"))

    assert_not_ready(
        ready.loop("doctor"),
        "codex flags     wrong",
        "`codex exec --help` does not name --skip-git-repo-check",
        "npm install --global @openai/codex@0.169.0",
    )


@pytest.mark.parametrize("version", ["codex-cli 0.1.2", "no version at all", "\x1b[31m\x00\x07"])
def test_an_old_or_unreadable_version_warns_and_does_not_stop(ready: Repo, version: str) -> None:
    install(ready, "codex", version)

    shown = ready.loop("doctor", "--json")

    assert (shown.code, states(shown)["codex"]) == (0, "warn")
    assert detail(shown, "codex")["fix"] == "npm install --global @openai/codex@0.169.0"
    assert "\\u001b" not in shown.out


def test_settings_that_are_wrong_are_explained(ready: Repo) -> None:
    config = ready.folder / "config.yaml"
    config.write_text("max_round: 5\n", "utf-8")
    assert_not_ready(ready.loop("doctor"), "unknown setting 'max_round'", "max_rounds")
    config.write_text("max_rounds: many\n", "utf-8")
    assert_not_ready(ready.loop("doctor"), "must be a whole number", "settings (wrong)")
    config.write_bytes(b"\xff\xfe[[[")
    assert_not_ready(ready.loop("doctor"), "cannot be parsed")
    config.unlink()

    assert_not_ready(ready.loop("doctor", env={"LOOP_MAX_ROUND": "1"}), "LOOP_MAX_ROUNDS")


def test_a_task_card_that_is_wrong_is_explained(ready: Repo) -> None:
    ready.card(goals="x")

    assert_not_ready(ready.loop("doctor"), "goals", "settings (wrong)")


def test_no_repository_and_no_commit_are_missing(ready: Repo, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    assert_not_ready(ready.loop("doctor", cwd=outside), "repository (missing)", "git init")
    ready.git("init", "--quiet", str(outside))

    assert_not_ready(ready.loop("doctor", cwd=outside), "has no commit", "Make a first commit")


def test_the_repository_is_found_from_a_subfolder(ready: Repo) -> None:
    inner = ready.root / "a" / "b"
    inner.mkdir(parents=True)

    shown = ready.loop("doctor", "--json", cwd=inner)

    assert shown.code == 0, shown.text
    assert str(ready.folder) in detail(shown, "loop folder")["detail"]


def test_a_credential_in_the_configuration_of_the_repository_is_a_warning(ready: Repo) -> None:
    ready.git("config", "http.https://github.com/.extraheader", "AUTHORIZATION: basic s3cret")
    result = ready.loop("doctor", "--json")
    assert "persist-credentials: false" in detail(result, "credential")["fix"]
    assert "s3cret" not in result.out
    assert result.code == 0


def test_how_programs_would_be_confined_is_tried_and_a_room_that_is_missing_is_a_warning(
    ready: Repo,
) -> None:
    assert detail(ready.loop("doctor", "--json"), "sandbox")["detail"] == "off"
    ready.extra["LOOP_SANDBOX"] = "auto"
    found = detail(ready.loop("doctor", "--json"), "sandbox")

    builds = ("namespaces", "user namespace", "Landlock")
    assert found["detail"].startswith(builds) or found["state"] == "warn"
    ready.extra["LOOP_SANDBOX"] = "required"
    required = detail(ready.loop("doctor", "--json"), "sandbox")
    assert required["state"] == ("wrong" if found["state"] == "warn" else "ok")


def test_a_folder_that_init_has_not_made_is_only_a_warning(ready: Repo) -> None:
    shutil.rmtree(ready.folder)

    shown = ready.loop("doctor", "--json")

    assert (shown.code, detail(shown, "loop folder")["fix"]) == (0, "loop init")
    assert not ready.folder.exists()


def test_a_file_in_the_place_of_the_folder_is_in_the_way(ready: Repo) -> None:
    shutil.rmtree(ready.folder)
    ready.folder.write_text("", "utf-8")

    assert_not_ready(ready.loop("doctor"), "is not a folder", "loop folder (wrong)")


def test_a_git_that_is_too_old_or_says_nothing_sensible_is_reported(ready: Repo) -> None:
    real = shutil.which("git", path=os.environ["PATH"])
    said = ready.fake / "git.version"
    script(ready, "git", f'for a; do [ "$a" = version ] && exec cat {said}; done; exec {real} "$@"')
    said.write_text("git version 2.30.9", "utf-8")
    assert_not_ready(ready.loop("doctor"), "2.30.9 is older than 2.32.0", "install git 2.32")
    said.write_text("git of somebody", "utf-8")

    shown = ready.loop("doctor", "--json")

    assert (shown.code, states(shown)["git"]) == (0, "warn")


def test_without_git_that_is_the_first_thing_to_mend(ready: Repo) -> None:
    script(ready, "git", "exit 127")

    assert_not_ready(ready.loop("doctor"), "git (missing)", "https://git-scm.com/downloads")


def test_no_secret_is_printed_whoever_tries(ready: Repo) -> None:
    secret = "another-secret-of-the-user"
    install(ready, "codex", f"key {KEY} and {secret}")
    (ready.home / ".claude").mkdir()
    (ready.home / ".claude" / ".credentials.json").write_text(f"{{{secret}", "utf-8")
    script(ready, "claude", f"echo {secret} >&2; exit 1")
    env = {"SOME_TOKEN": secret, "LOOP_OPENAI_API_KEY": KEY}

    for arguments in (("doctor",), ("doctor", "--json")):
        shown = ready.loop(*arguments, env=env)
        assert shown.code == 0, shown.text
        assert "***" in shown.out
        assert secret not in shown.text
        assert KEY not in shown.text


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_the_flags_that_are_looked_for_are_those_that_a_run_passes(repo: Repo, name: str) -> None:
    if name == "opencode":
        shutil.copy(repo.bin / "codex", repo.bin / name)
    repo.plan(TWO_ROUNDS)

    done = repo.run(
        *("--worker-backend", name, "--reviewer-backend", name),
        *("--worker-model", "m", "--reviewer-model", "m"),
    )

    passed = {word for call in repo.calls for word in call.argv[1:] if word.startswith("-")}
    assert done.code == 0, done.text
    assert passed - {"-"}
    assert passed - {"-"} <= set(KNOWN[name].flags)


def test_a_rule_that_asks_for_signatures_is_named_where_a_token_is_exported(
    ready: Repo, tmp_path: Path
) -> None:
    with GitServer(tmp_path / "hosted") as git, GitHubServer(git) as api:
        git.create_repository("octo/demo")
        git.add_token("mona-token", "mona")
        ready.git("remote", "add", "origin", f"{git.url}/octo/demo.git")
        hosted = {"GITHUB_SERVER_URL": git.url, "GITHUB_API_URL": api.url}
        token = {"GITHUB_TOKEN": "mona-token"}

        without = ready.loop("doctor", "--json", env=hosted)
        free = ready.loop("doctor", "--json", env={**hosted, **token})
        api.repository("octo/demo").rules = [{"type": "required_signatures"}]
        signed = ready.loop("doctor", "--json", env={**hosted, **token})
        wrong = ready.loop("doctor", "--json", env={**hosted, "GITHUB_TOKEN": "wrong"})

    assert "branch rules" not in states(without)
    assert states(free)["branch rules"] == "ok"
    assert states(signed)["branch rules"] == states(wrong)["branch rules"] == "warn"
    assert "verified commits on loop/**" in detail(signed, "branch rules")["detail"]
    assert "bypass" in detail(signed, "branch rules")["fix"]
    assert [each.code for each in (without, free, signed, wrong)] == [0] * 4
