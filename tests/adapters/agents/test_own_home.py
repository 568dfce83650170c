"""The home of an agent's program: kept for its role, with a login that is lent and taken back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from loop_kit.adapters.agents.catalogue import KNOWN
from loop_kit.adapters.agents.own_home import Homes, OwnHome

LOGINS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "codex": (
        ".codex/auth.json",
        {"tokens": {"access_token": "a", "refresh_token": "r", "account_id": "me"}},
        {"tokens": {"access_token": "b", "refresh_token": "s", "account_id": "me"}},
    ),
    "claude": (
        ".claude/.credentials.json",
        {"claudeAiOauth": {"accessToken": "a", "refreshToken": "r", "expiresAt": 1}},
        {"claudeAiOauth": {"accessToken": "b", "refreshToken": "s", "expiresAt": 2}},
    ),
    "opencode": (
        ".local/share/opencode/auth.json",
        {"anthropic": {"type": "oauth", "access": "a", "refresh": "r", "expires": 1}},
        {"anthropic": {"type": "oauth", "access": "b", "refresh": "s", "expires": 2}},
    ),
}


def inside(home: OwnHome) -> Path:
    """The folder that the program sees as its own."""
    (own,) = KNOWN[home.backend].folders
    return Path(home.variables()[own.variable]) / own.inside


@pytest.mark.parametrize("backend", list(LOGINS))
def test_a_token_that_is_renewed_in_it_is_on_disk_afterwards(tmp_path: Path, backend: str) -> None:
    name, before, after = LOGINS[backend]
    login = tmp_path / name
    login.parent.mkdir(parents=True)
    login.write_text(json.dumps(before))
    home = OwnHome(backend, tmp_path / "homes" / "worker", {"HOME": str(tmp_path)})

    with home.filled():
        copy = inside(home) / login.name
        assert json.loads(copy.read_text()) == before
        copy.write_text(json.dumps(after))
        assert json.loads(login.read_text()) == before

    assert json.loads(login.read_text()) == after
    assert login.stat().st_mode & 0o777 == 0o600
    assert not copy.exists()


@pytest.fixture
def codex(tmp_path: Path) -> OwnHome:
    """The home of codex in a loop of a user who is logged in and has settings."""
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "auth.json").write_text(json.dumps(LOGINS["codex"][1]))
    (tmp_path / ".codex" / "config.toml").write_text('model = "mine"\n')
    return OwnHome("codex", tmp_path / "homes" / "worker", {"HOME": str(tmp_path)})


def test_a_login_that_somebody_else_renewed_meanwhile_stays(codex: OwnHome, tmp_path: Path) -> None:
    login = tmp_path / ".codex" / "auth.json"
    newer = {"tokens": {"access_token": "c", "refresh_token": "t", "account_id": "me"}}

    with codex.filled():
        login.write_text(json.dumps(newer))
        (inside(codex) / "auth.json").write_text(json.dumps(LOGINS["codex"][2]))

    assert json.loads(login.read_text()) == newer


@pytest.mark.parametrize("made", ["gone", "damaged", "link", "folder"])
def test_what_an_agent_makes_of_the_login_does_not_reach_the_user(
    codex: OwnHome, tmp_path: Path, made: str
) -> None:
    login, elsewhere = tmp_path / ".codex" / "auth.json", tmp_path / "elsewhere"
    elsewhere.write_text(json.dumps(LOGINS["codex"][2]))

    with codex.filled():
        copy = inside(codex) / "auth.json"
        copy.unlink()
        if made == "damaged":
            copy.write_text("{")
        elif made == "link":
            copy.symlink_to(elsewhere)
        elif made == "folder":
            copy.mkdir()

    assert json.loads(login.read_text()) == LOGINS["codex"][1]


def test_conversations_stay_and_settings_are_the_users_again(codex: OwnHome) -> None:
    with codex.filled():
        (inside(codex) / "sessions").mkdir()
        (inside(codex) / "sessions" / "1.jsonl").touch()
        (inside(codex) / "config.toml").write_text('model = "evil"\n')

    with codex.filled():
        assert (inside(codex) / "sessions" / "1.jsonl").exists()
        assert (inside(codex) / "config.toml").read_text() == 'model = "mine"\n'


def test_a_role_sees_nothing_of_the_others(codex: OwnHome, tmp_path: Path) -> None:
    with codex.filled():
        (inside(codex) / "sessions").mkdir()
    other = OwnHome("codex", tmp_path / "homes" / "reviewer", codex.environ)
    with other.filled():
        assert not (inside(other) / "sessions").exists()


def test_a_home_that_a_job_names_is_where_the_login_comes_from(tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.mkdir()
    (named / "auth.json").write_text(json.dumps(LOGINS["codex"][1]))
    environ = {"HOME": str(tmp_path), "CODEX_HOME": str(named)}
    home = OwnHome("codex", tmp_path / "homes" / "worker", environ, copies=False)
    with home.filled():
        assert (inside(home) / "auth.json").exists()
    plain = OwnHome("codex", tmp_path / "other", {"HOME": str(tmp_path)}, copies=False)
    with plain.filled():
        assert [*inside(plain).iterdir()] == []


def test_what_other_programs_keep_beside_opencode_is_still_found(tmp_path: Path) -> None:
    (tmp_path / ".local" / "share" / "mise").mkdir(parents=True)
    home = OwnHome("opencode", tmp_path / "homes" / "worker", {"HOME": str(tmp_path)})
    with home.filled():
        assert (inside(home).parent / "mise").is_dir()


def test_a_program_with_another_way_to_its_model_gets_no_login(codex: OwnHome) -> None:
    home = OwnHome("codex", codex.folder, codex.environ, lends=False)
    with home.filled():
        assert not (inside(home) / "auth.json").exists()
        assert (inside(home) / "config.toml").exists()


def test_where_it_does_not_apply_the_users_own_home_is_used(codex: OwnHome, tmp_path: Path) -> None:
    used = Homes(codex, lambda: True, {"XDG_STATE_HOME": str(tmp_path)})
    assert used.variables().keys() == {"CODEX_HOME", "XDG_STATE_HOME"}
    assert tmp_path / ".codex" not in used.writable()
    unused = Homes(codex, lambda: False)
    with unused.filled():
        assert unused.variables() == {}
        assert unused.writable() == (tmp_path / ".codex",)


@pytest.mark.parametrize("link", ["inside", "around"])
def test_a_program_that_links_its_home_to_another_folder_has_nothing_read_written_or_removed_there(
    tmp_path: Path, link: str
) -> None:
    name, login, _ = LOGINS["opencode"]
    source, victim = tmp_path / name, tmp_path / "victim"
    for path in (source, victim / "auth.json", victim / "opencode" / "auth.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(login if path == source else {"precious": "x"}))
    before = sorted((path, path.read_bytes()) for path in victim.rglob("*") if path.is_file())
    home = OwnHome("opencode", tmp_path / "homes" / "worker", {"HOME": str(tmp_path)})

    for _ in range(2):
        with home.filled():
            own = inside(home)
            replaced = own if link == "inside" else own.parent
            shutil.rmtree(replaced)
            replaced.symlink_to(victim)

    after = sorted((path, path.read_bytes()) for path in victim.rglob("*") if path.is_file())
    assert after == before
    assert json.loads(source.read_text()) == login
