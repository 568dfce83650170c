"""What the event that started a job says, and which events are not for us."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from loop_kit.adapters.runner.job import (
    BOT,
    Job,
    is_allowed_bot,
    read_job,
    read_payload,
    under_prefix,
)
from loop_kit.errors import BadSetting


def environ(tmp_path: Path, payload: object = None, **variables: str) -> dict[str, str]:
    event = tmp_path / "event.json"
    event.write_text(payload if isinstance(payload, str) else json.dumps(payload or {}), "utf-8")
    return {
        "GITHUB_REPOSITORY": "octo/demo",
        "GITHUB_EVENT_NAME": "workflow_dispatch",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_ACTOR": "mona",
        "GITHUB_TRIGGERING_ACTOR": "mona",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_RUN_ID": "77",
        "GITHUB_RUN_ATTEMPT": "2",
        "GITHUB_WORKFLOW_REF": "octo/demo/.github/workflows/loop.yml@refs/heads/main",
        **variables,
    }


def job(tmp_path: Path, payload: object = None, **variables: str) -> Job:
    return read_job(environ(tmp_path, payload, **variables))


def test_a_job_is_read_from_what_the_runner_sets(tmp_path: Path) -> None:
    payload = {"sender": {"login": "mona"}, "repository": {"default_branch": "trunk"}}
    found = job(tmp_path, payload, GITHUB_SHA="a" * 40, RUNNER_TEMP="/tmp/r")
    assert (found.repository, found.event, found.ref) == (
        *("octo/demo", "workflow_dispatch", "refs/heads/main"),
    )
    assert (found.run_id, found.run_attempt, found.sha) == ("77", 2, "a" * 40)
    assert (found.workflow, found.default_branch) == ("loop.yml", "trunk")
    assert (found.sender, found.people) == ("mona", ("mona",))


def test_the_api_of_an_enterprise_server_is_honoured(tmp_path: Path) -> None:
    assert job(tmp_path).api_url == "https://api.github.com"
    assert job(tmp_path).server_url == "https://github.com"
    there = {"GITHUB_API_URL": "https://ghe.test/api/v3", "GITHUB_SERVER_URL": "https://ghe.test"}
    assert job(tmp_path, **there).api_url == "https://ghe.test/api/v3"
    assert job(tmp_path, **there).server_url == "https://ghe.test"


def test_whoever_runs_a_job_again_is_asked_about_too(tmp_path: Path) -> None:
    found = job(tmp_path, {"sender": {"login": "mona"}}, GITHUB_TRIGGERING_ACTOR="mallory")
    assert (found.sender, found.rerun_by) == ("mona", "mallory")
    assert found.people == ("mona", "mallory")


def test_the_sender_is_the_events_and_not_what_an_association_claims(tmp_path: Path) -> None:
    payload = {
        "sender": {"login": "mallory"},
        "comment": {"author_association": "OWNER", "user": {"login": "mona"}},
    }
    assert job(tmp_path, payload, GITHUB_TRIGGERING_ACTOR="mallory").people == ("mallory",)


def test_without_a_sender_the_actor_counts(tmp_path: Path) -> None:
    for payload in ({}, {"sender": None}, {"sender": {"login": 3}}, ["x"], "null"):
        assert job(tmp_path, payload).sender == "mona"
    assert job(tmp_path, GITHUB_ACTOR=BOT, GITHUB_TRIGGERING_ACTOR=BOT).people == (BOT,)


def test_a_job_outside_a_runner_says_so() -> None:
    with pytest.raises(BadSetting, match="GITHUB_REPOSITORY is not set"):
        read_job({})


@pytest.mark.parametrize("payload", ["{", "", "[" * 100_000, '{"a": ' + "1" * 5_000 + "}"])
def test_an_event_that_is_not_json_is_refused(tmp_path: Path, payload: str) -> None:
    with pytest.raises(BadSetting, match="is not JSON"):
        job(tmp_path, payload)


def test_an_event_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    variables = environ(tmp_path)
    Path(variables["GITHUB_EVENT_PATH"]).write_bytes(b'{"a": "\xff"}')
    with pytest.raises(BadSetting, match="is not JSON"):
        read_job(variables)


def test_a_missing_event_file_is_an_empty_event(tmp_path: Path) -> None:
    assert job(tmp_path, GITHUB_EVENT_PATH=str(tmp_path / "none")).sender == "mona"
    assert job(tmp_path, GITHUB_EVENT_PATH="").default_branch == ""


@pytest.mark.parametrize("attempt", ["", "x", "-1"])
def test_an_attempt_that_is_no_number_is_the_first(tmp_path: Path, attempt: str) -> None:
    assert job(tmp_path, GITHUB_RUN_ATTEMPT=attempt).run_attempt == 1


@pytest.mark.parametrize(
    ("ref", "under"),
    [
        ("refs/heads/loop/T-001/work", True),
        ("refs/heads/loop/T-001/state", True),
        ("refs/heads/loop", True),
        ("refs/heads/main", False),
        ("refs/heads/loops", False),
        ("refs/heads/feature/loop/x", False),
        ("refs/pull/3/merge", False),
        ("", False),
    ],
)
def test_a_job_on_a_loop_branch_is_recognised(tmp_path: Path, ref: str, under: bool) -> None:
    assert under_prefix(job(tmp_path, GITHUB_REF=ref), "loop") is under


def test_a_prefix_of_several_parts_is_recognised(tmp_path: Path) -> None:
    found = job(tmp_path, GITHUB_REF="refs/heads/bots/loop/T-001/work")
    assert under_prefix(found, "bots/loop")
    assert not under_prefix(found, "loop")


def test_the_payload_is_read_once_and_handed_on(tmp_path: Path) -> None:
    variables = environ(tmp_path, {"sender": {"login": "mona", "type": "User"}})
    payload = read_payload(variables)
    assert payload == {"sender": {"login": "mona", "type": "User"}}
    Path(variables["GITHUB_EVENT_PATH"]).unlink()
    assert read_job(variables, payload).sender == "mona"
    assert read_payload(variables) == {}


@pytest.mark.parametrize("payload", ["[]", "null", "3", '"x"'])
def test_an_event_that_is_no_object_is_empty(tmp_path: Path, payload: str) -> None:
    assert read_payload(environ(tmp_path, payload)) == {}


@pytest.mark.parametrize(
    ("sender", "type_"),
    [
        ({"login": "mona", "type": "User"}, "User"),
        ({"login": "mona"}, "User"),
        ({"login": "mona", "type": ["Bot"]}, "User"),
        ({"login": "Copilot", "type": "Bot"}, "Bot"),
        ({"login": BOT, "type": "User"}, "Bot"),
        (None, "User"),
    ],
)
def test_a_bot_is_known_by_its_type_or_its_name(tmp_path: Path, sender: object, type_: str) -> None:
    assert job(tmp_path, {"sender": sender}).sender_type == type_


@pytest.mark.parametrize("login", ["../x", "a/b", "a?b", "a\nb", "", "a[bot]b", "x" * 101, "ä"])
def test_what_is_no_login_is_nobody(tmp_path: Path, login: str) -> None:
    known = {"GITHUB_ACTOR": login, "GITHUB_TRIGGERING_ACTOR": login}
    assert job(tmp_path, {"sender": {"login": login}}, **known).people == ()


def test_a_job_is_frozen_and_can_be_a_key(tmp_path: Path) -> None:
    found = job(tmp_path)
    assert {found: 1}[job(tmp_path)] == 1
    with pytest.raises(ValidationError, match="frozen"):
        found.sender = "mallory"  # type: ignore[misc]


@pytest.mark.parametrize("attempt", ["\u00b2", "9" * 5_000, "1e3"])
def test_an_attempt_that_no_runner_sets_is_the_first(tmp_path: Path, attempt: str) -> None:
    assert job(tmp_path, GITHUB_RUN_ATTEMPT=attempt).run_attempt == 1


def test_a_bot_is_allowed_by_its_exact_name_in_any_case_with_or_without_suffix() -> None:
    for name in ("renovate", "Renovate", "renovate[bot]", "RENOVATE[BOT]", " renovate "):
        assert is_allowed_bot("renovate[bot]", (name,))
        assert is_allowed_bot("Renovate", ("x", name))


@pytest.mark.parametrize(
    ("login", "allowed"),
    [
        ("renovate[bot]", ()),
        ("renovate[bot]", ("",)),
        ("renovate[bot]", ("*",)),
        ("renovate[bot]", ("renovat", "renovate2", "renovate[bot", "[bot]")),
        ("renovate[bot][bot]", ("renovate",)),
        ("renovate\n", ("renovat",)),
        ("\u212aitty[bot]", ("kitty",)),
        ("", ("",)),
        ("[bot]", ("[bot]",)),
    ],
)
def test_a_bot_that_is_not_named_is_not_allowed(login: str, allowed: tuple[str, ...]) -> None:
    assert not is_allowed_bot(login, allowed)
