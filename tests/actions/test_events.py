"""What real events ask of us, what is refused in them, and that damage is never a traceback."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from loop_kit.actions.events import read_request
from loop_kit.actions.trigger import BOT, read_job
from loop_kit.core.commands import Command, Misspelt
from loop_kit.core.requests import (
    Comment,
    NotForUs,
    PullEvent,
    PushedCards,
    Request,
    Resume,
    StartFile,
    StartIssue,
    StartPull,
    SweepAll,
    is_branch_name,
    is_sha,
)
from loop_kit.core.sanitize import MAX_BODY
from loop_kit.errors import BadSetting, BranchRefused, ForgeRefused, LoopError
from loop_kit.settings import Settings

PAYLOADS = Path(__file__).parent / "payloads"
REPOSITORY = "Codertocat/Hello-World"
HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
PUSHED = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
ZEROS = "0" * 40
SCHEDULE = {"schedule": "17 * * * *", "repository": {"default_branch": "master"}}


def payload(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))
    return document


def request(event: str, document: object, settings: Settings | None = None, **env: str) -> Request:
    """What the event asks, read as the runner hands it over."""
    fields = document if isinstance(document, Mapping) else {}
    job = read_job(
        {
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_EVENT_NAME": event,
            "GITHUB_ACTOR": "Codertocat",
            "GITHUB_REF": "refs/heads/master",
            **env,
        },
        fields,
    )
    return read_request(job, fields, settings or Settings(trigger_label="bug"))


def refusal(
    event: str, document: object, settings: Settings | None = None, **env: str
) -> LoopError:
    with pytest.raises(LoopError) as caught:
        request(event, document, settings, **env)
    return caught.value


def assert_not_for_us(found: Request, word: str) -> None:
    assert isinstance(found, NotForUs)
    assert word in found.why
    assert "\n" not in found.why
    assert found.why.endswith(".")


def dispatched(**inputs: Any) -> Request:
    return request("workflow_dispatch", payload("workflow-dispatch"), Settings(**inputs))


def commented(body: str, settings: Settings | None = None, **changes: Any) -> Request:
    document = payload("issue-comment-created")
    document["comment"] |= {"body": body, **changes}
    return request("issue_comment", document, settings)


def commented_by(login: str, type_: str, **settings: Any) -> Request:
    document = payload("issue-comment-created")
    document["comment"] |= {"body": "/loop stop", "user": {"login": login, "type": type_}}
    document["sender"] = {"login": login, "type": type_}
    return request("issue_comment", document, Settings(**settings))


# --- workflow_dispatch -----------------------------------------------------------------------


def test_a_dispatch_without_inputs_starts_the_default_card() -> None:
    assert dispatched() == StartFile(".loop/task_card.json")
    assert dispatched(task=".loop/task_card.json") == StartFile(".loop/task_card.json")
    assert dispatched(task=".loop/tasks/a.yml") == StartFile(".loop/tasks/a.yml")


def test_a_dispatch_names_an_issue_or_a_pull_request_that_the_api_is_asked_for() -> None:
    assert dispatched(issue=7) == StartIssue(7, "", None, labelled=False)
    assert dispatched(pull_request=8) == StartPull(8, None, labelled=False)


def test_a_continuation_names_its_loop_its_round_and_its_state() -> None:
    found = dispatched(task_id="T-001", round=2, expected_state=9)
    assert found == Resume("T-001", 2, 9)
    assert dispatched(task_id="T-001") == Resume("T-001", None, None)


def test_the_default_card_of_the_action_does_not_contradict_another_input() -> None:
    assert dispatched(task=".loop/task_card.json", issue=7) == StartIssue(
        7, "", None, labelled=False
    )
    assert dispatched(task=".loop/task_card.json", task_id="T-1") == Resume("T-1", None, None)


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({"issue": 1, "pull_request": 2}, "issue and pull-request"),
        ({"task": "a.json", "task_id": "T-1"}, "task and task-id"),
        ({"task_id": "T-1", "issue": 1}, "task-id and issue"),
        ({"task": "a", "task_id": "T", "issue": 1, "pull_request": 1}, "task and task-id and"),
    ],
)
def test_inputs_that_ask_for_two_loops_are_refused(inputs: dict[str, Any], named: str) -> None:
    with pytest.raises(BadSetting, match=named) as caught:
        dispatched(**inputs)
    assert caught.value.remedy == "Give one of them."


def test_a_round_without_its_loop_is_refused() -> None:
    for inputs in ({"round": 2}, {"expected_state": 0}, {"round": 1, "issue": 4}):
        with pytest.raises(BadSetting, match="belong to a loop that is continued"):
            dispatched(**inputs)


def test_a_task_id_that_is_no_id_is_refused() -> None:
    for task_id in ("../x", "-u", "a..b", "x.lock", "a" * 65, "a\nb"):
        with pytest.raises(BadSetting, match="The input task-id must be"):
            dispatched(task_id=task_id)


@pytest.mark.parametrize("event", ["workflow_dispatch", "issues", "issue_comment", "schedule"])
def test_a_job_on_a_loop_branch_is_refused_whatever_the_event(event: str) -> None:
    found = refusal(event, {}, GITHUB_REF="refs/heads/loop/T-001/work")
    assert isinstance(found, BranchRefused)
    assert "default branch" in found.remedy


# --- labels ----------------------------------------------------------------------------------


def test_the_label_on_an_issue_starts_its_loop_with_the_text_of_the_event() -> None:
    found = request("issues", payload("issues-labeled"))
    title = "Spelling error in the README file"
    body = "It looks like you accidently spelled 'commit' with two 't's."
    assert found == StartIssue(1, title, body, labelled=True)


def test_labels_are_the_same_in_any_case() -> None:
    found = request("issues", payload("issues-labeled"), Settings(trigger_label="BUG "))
    assert isinstance(found, StartIssue)


def test_an_issue_without_text_has_an_empty_one_which_is_not_asked_for_again() -> None:
    document = payload("issues-labeled")
    document["issue"]["body"] = None
    found = request("issues", document)
    assert isinstance(found, StartIssue)
    assert found.body == ""


def test_another_label_or_action_or_a_closed_issue_is_not_for_us() -> None:
    document = payload("issues-labeled")
    assert_not_for_us(request("issues", document, Settings()), "'bug' is not 'loop'")
    for action in ("opened", "edited", "unlabeled", "closed", ""):
        assert_not_for_us(request("issues", {**document, "action": action}), action)
    document["issue"]["state"] = "closed"
    assert_not_for_us(request("issues", document), "#1 is not open")
    demilestoned = payload("issues-demilestoned-on-pull-request")
    assert_not_for_us(request("issues", demilestoned), "demilestoned")


def test_a_pull_request_that_comes_as_an_issue_starts_nothing_twice() -> None:
    document = payload("issues-demilestoned-on-pull-request")
    document |= {"action": "labeled", "label": {"name": "bug"}}
    assert_not_for_us(request("issues", document), "is a pull request")


def test_the_label_on_a_pull_request_starts_its_loop_at_the_head_that_was_labelled() -> None:
    found = request("pull_request", payload("pull-request-labeled"))
    facts = PullEvent(
        number=2,
        title="Update the README with new information.",
        body="This is a pretty simple change that we need to pull into master.",
        head="changes",
        head_sha=HEAD,
        head_repository=REPOSITORY,
        base="master",
        url=f"https://github.com/{REPOSITORY}/pull/2",
    )
    assert found == StartPull(2, facts, labelled=True)


def test_the_address_of_a_pull_request_is_made_and_not_taken_from_the_event() -> None:
    document = payload("pull-request-labeled")
    document["pull_request"]["html_url"] = "https://evil.test/`x`"
    found = request("pull_request", document, GITHUB_SERVER_URL="https://ghe.test")
    assert isinstance(found, StartPull)
    assert found.facts is not None
    assert found.facts.url == f"https://ghe.test/{REPOSITORY}/pull/2"


@pytest.mark.parametrize(
    ("repo", "named"),
    [
        ({"full_name": "mallory/Hello-World"}, "the fork mallory/Hello-World"),
        (None, "a fork that is gone"),
        ({"full_name": "x/y\n::error::z"}, "a fork that is gone"),
        ({"full_name": None}, "a fork that is gone"),
    ],
)
def test_a_pull_request_from_a_fork_is_refused(repo: object, named: str) -> None:
    document = payload("pull-request-labeled")
    document["pull_request"]["head"]["repo"] = repo
    found = refusal("pull_request", document)
    assert isinstance(found, ForgeRefused)
    assert found.sentence == f"The pull request #2 comes from {named}."
    assert "to this repository" in found.remedy


def test_another_label_on_a_pull_request_from_a_fork_is_not_for_us() -> None:
    document = payload("pull-request-labeled")
    document["pull_request"]["head"]["repo"] = None
    assert_not_for_us(request("pull_request", document, Settings()), "is not 'loop'")


def test_the_name_of_the_repository_is_the_same_in_any_case() -> None:
    document = payload("pull-request-labeled")
    document["pull_request"]["head"]["repo"]["full_name"] = REPOSITORY.upper()
    assert isinstance(request("pull_request", document), StartPull)


@pytest.mark.parametrize("side", ["head", "base"])
@pytest.mark.parametrize("branch", ["loop", "loop/T-001/work", "loop/x"])
def test_a_pull_request_of_a_loop_branch_is_refused(side: str, branch: str) -> None:
    document = payload("pull-request-labeled")
    document["pull_request"][side]["ref"] = branch
    found = refusal("pull_request", document)
    assert isinstance(found, BranchRefused)
    assert "/loop retry" in found.remedy


def test_other_actions_and_closed_pull_requests_are_not_for_us() -> None:
    document = payload("pull-request-labeled")
    for action in ("opened", "synchronize", "unlabeled", "closed"):
        assert_not_for_us(request("pull_request", {**document, "action": action}), action)
    document["pull_request"]["state"] = "closed"
    assert_not_for_us(request("pull_request", document), "#2 is not open")


# --- comments --------------------------------------------------------------------------------


def test_a_comment_that_is_no_command_is_not_for_us() -> None:
    found = request("issue_comment", payload("issue-comment-created"))
    assert_not_for_us(found, "no /loop command")


def test_a_command_comes_with_what_it_was_said_on() -> None:
    assert commented("/loop extend 2\nthanks") == Comment(
        id=492700400,
        number=1,
        on_pull=False,
        command=Command("extend", 2),
        author="Codertocat",
        title="Spelling error in the README file",
        body="It looks like you accidently spelled 'commit' with two 't's.",
        at="2019-05-15T15:20:21Z",
    )


def test_a_comment_on_a_pull_request_is_known_by_the_issue_it_is() -> None:
    document = payload("issue-comment-created")
    document["comment"]["body"] = "/loop"
    document["issue"] = payload("issues-demilestoned-on-pull-request")["issue"]
    document["issue"]["pull_request"] = {"url": "https://api.github.com/repos/x/y/pulls/2"}
    found = request("issue_comment", document)
    assert isinstance(found, Comment)
    assert (found.number, found.on_pull, found.command) == (2, True, Command("status"))


def test_a_misspelt_command_is_for_us_so_that_it_can_be_answered() -> None:
    found = commented("/loop stpo")
    assert isinstance(found, Comment)
    assert isinstance(found.command, Misspelt)
    assert found.command.nearest == "stop"


def test_only_a_new_comment_is_read() -> None:
    document = payload("issue-comment-created")
    document["comment"]["body"] = "/loop stop"
    for action in ("edited", "deleted", ""):
        assert_not_for_us(request("issue_comment", {**document, "action": action}), action)


def test_our_own_comments_and_those_of_other_bots_command_nothing() -> None:
    assert_not_for_us(commented_by(BOT, "Bot"), BOT)
    assert_not_for_us(commented_by(BOT, "User", allowed_bots=(BOT,)), BOT)
    assert_not_for_us(commented_by("renovate[bot]", "Bot"), "may not command")
    assert_not_for_us(commented_by("Copilot", "Bot", allowed_bots=("renovate",)), "Copilot")


def test_a_bot_that_is_allowed_commands_like_a_person() -> None:
    found = commented_by("renovate[bot]", "Bot", allowed_bots=("Renovate",))
    assert isinstance(found, Comment)
    assert found.author == "renovate[bot]"


def test_a_comment_that_another_account_sent_commands_nothing() -> None:
    document = payload("issue-comment-created")
    document["comment"] |= {"body": "/loop stop", "user": {"login": "mona", "type": "User"}}
    assert_not_for_us(request("issue_comment", document), "not by the account")


def test_a_time_that_is_none_is_left_out() -> None:
    for made in (None, 3, "yesterday", "2019-05-15", "2019-05-15T15:20:21Z\n", "\u0662019"):
        found = commented("/loop", created_at=made)
        assert isinstance(found, Comment)
        assert found.at == ""


# --- pushes, the clock, the rest -------------------------------------------------------------


def test_a_push_to_the_default_branch_may_hold_cards() -> None:
    found = request("push", payload("push"))
    assert found == PushedCards(before=ZEROS, after=PUSHED, ref="refs/heads/master")
    between = request("push", {**payload("push"), "before": HEAD})
    assert isinstance(between, PushedCards)
    assert between.before == HEAD


def test_other_pushes_are_not_for_us() -> None:
    document = payload("push")
    assert_not_for_us(request("push", payload("push-tag-deleted")), "not one of a branch")
    assert_not_for_us(request("push", {**document, "ref": "refs/heads/x"}), "to x")
    assert_not_for_us(request("push", {**document, "deleted": True}), "deleted")
    assert_not_for_us(request("push", {**document, "after": ZEROS}), "deleted")


def test_a_push_to_a_loop_branch_is_refused() -> None:
    found = refusal("push", {**payload("push"), "ref": "refs/heads/loop/T-001/work"})
    assert isinstance(found, BranchRefused)


def test_the_clock_asks_for_a_sweep() -> None:
    assert request("schedule", SCHEDULE) == SweepAll()
    assert request("schedule", {}, GITHUB_ACTOR="") == SweepAll()


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("pull_request_target", "pull-request-labeled"),
        ("workflow_run", "workflow-run-completed"),
        ("repository_dispatch", "repository-dispatch"),
        ("pull_request_review_comment", "issue-comment-created"),
        ("watch", "push"),
        ("", "push"),
    ],
)
def test_every_other_event_is_not_for_us_even_on_a_loop_branch(event: str, name: str) -> None:
    assert_not_for_us(request(event, payload(name)), event or "(none)")
    on_loop = request(event, payload(name), GITHUB_REF="refs/heads/loop/T-001/work")
    assert_not_for_us(on_loop, "acts on")


@pytest.mark.parametrize("phase", ["agents", "publish"])
def test_a_later_phase_goes_on_with_the_loop_that_was_claimed(phase: Any) -> None:
    settings = Settings(phase=phase, task_id="issue-1", trigger_label="bug")
    for event, name in (("issues", "issues-labeled"), ("push", "push"), ("fork", "push")):
        assert request(event, payload(name), settings) == Resume("issue-1", None, None)
    missing = refusal("issues", payload("issues-labeled"), Settings(phase=phase))
    assert missing.sentence == f"The input task-id is empty in the phase {phase}."
    on_loop = refusal("push", {}, settings, GITHUB_REF="refs/heads/loop/T-001/work")
    assert isinstance(on_loop, BranchRefused)


def test_the_phase_that_claims_reads_the_event() -> None:
    settings = Settings(phase="claim", trigger_label="bug")
    assert isinstance(request("issues", payload("issues-labeled"), settings), StartIssue)


def test_an_event_that_nobody_sent_starts_nothing() -> None:
    document = {**payload("issues-labeled"), "sender": None}
    found = refusal("issues", document, GITHUB_ACTOR="")
    assert isinstance(found, ForgeRefused)
    assert "who sent it" in found.sentence


# --- damage ----------------------------------------------------------------------------------

EVENTS = [
    ("issues", "issues-labeled"),
    ("pull_request", "pull-request-labeled"),
    ("issue_comment", "issue-comment-created"),
    ("push", "push"),
    ("workflow_dispatch", "workflow-dispatch"),
]
DEEP: list[Any] = []
for _ in range(500):
    DEEP = [DEEP]
NASTY: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 10**30, "", "x", [], {}, DEEP, [1], {"login": {}}),
    *("-u", "--output=x", "../..", "a\x00b", "\ud800", "\x1b]0;x\x07", "x\n::error::y"),
    *("a" * 70_000, "refs/heads/-u", "@{-1}", f"/loop {chr(0x202E)}", "0" * 40, "G" * 40),
]


def paths(document: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, value in document.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from paths(value, (*above, key))


def damaged(document: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


def assert_usable(found: Request) -> None:
    """Nothing in a request can hurt git, the API, a store or a log."""
    assert isinstance(found, get_args(Request))
    text = repr(found)
    text.encode()
    json.dumps(text)
    assert len(text) < 4 * MAX_BODY
    for name in ("number", "id", "round"):
        number = getattr(found, name, None)
        assert number is None or (type(number) is int and 0 < number < 2**63)
    if isinstance(found, StartPull) and found.facts:
        assert is_branch_name(found.facts.head)
        assert is_branch_name(found.facts.base)
        assert is_sha(found.facts.head_sha)
        assert found.facts.head_repository.lower() == REPOSITORY.lower()
    if isinstance(found, PushedCards):
        assert is_sha(found.before)
        assert is_sha(found.after)
        assert found.ref == "refs/heads/master"
    if isinstance(found, NotForUs):
        assert found.why.isprintable()


def assert_read_or_refused(event: str, document: Any) -> bool:
    """Whether it was read; what is refused is refused in one printable sentence."""
    refused = None
    try:
        found = request(event, document)
    except LoopError as error:
        refused = error
    if refused is None:
        assert_usable(found)
        return True
    assert refused.remedy
    assert refused.sentence.isprintable()
    assert len(refused.sentence) < 500
    return False


@pytest.mark.parametrize(("event", "name"), EVENTS)
def test_a_field_of_any_other_kind_is_read_or_refused_and_never_a_traceback(
    event: str, name: str
) -> None:
    document = payload(name)
    if event == "issue_comment":
        document["comment"]["body"] = "/loop stop"
    read = 0
    for path in list(paths(document)):
        for value in (*NASTY, ...):
            read += assert_read_or_refused(event, damaged(document, path, value))
    assert read > 0


@pytest.mark.parametrize(("event", "name"), EVENTS)
def test_an_event_that_is_something_else_altogether_is_read_or_refused(
    event: str, name: str
) -> None:
    for value in (*NASTY, payload(name)["repository"]):
        assert_read_or_refused(event, value)
    assert assert_read_or_refused(event, payload(name))


@pytest.mark.parametrize(
    ("event", "name", "path"),
    [
        ("issues", "issues-labeled", ("issue", "number")),
        ("pull_request", "pull-request-labeled", ("pull_request", "number")),
        ("issue_comment", "issue-comment-created", ("issue", "number")),
        ("issue_comment", "issue-comment-created", ("comment", "id")),
    ],
)
def test_a_number_is_a_whole_one_above_zero(event: str, name: str, path: tuple[str, ...]) -> None:
    document = payload(name)
    if event == "issue_comment":
        document["comment"]["body"] = "/loop stop"
    for value in (0, -1, True, 1.0, "1", None, 2**63):
        found = refusal(event, damaged(document, path, value))
        assert found.sentence == f"The event {event} holds no usable {'.'.join(path)}."


@pytest.mark.parametrize("sha", ["", "x", HEAD[:39], HEAD.upper(), f"{HEAD}\n", ZEROS, "--all"])
def test_a_head_that_is_no_commit_is_refused(sha: str) -> None:
    document = payload("pull-request-labeled")
    document["pull_request"]["head"]["sha"] = sha
    assert "pull_request.head.sha" in refusal("pull_request", document).sentence


def test_a_body_over_the_limit_stays_over_it() -> None:
    document = payload("issues-labeled")
    document["issue"] |= {"body": "b" * 10**6, "title": "t" * 10**6}
    found = request("issues", document)
    assert isinstance(found, StartIssue)
    assert found.body == "b" * (MAX_BODY + 1)
    assert found.title == "t" * 1_000


def test_text_that_cannot_be_stored_is_replaced() -> None:
    document = payload("issues-labeled")
    document["issue"] |= {"body": "a\ud800b\x00c", "title": "\udfff"}
    found = request("issues", document)
    assert found == StartIssue(1, "\ufffd", "a\ufffdb\ufffdc", labelled=True)


# --- names that reach git --------------------------------------------------------------------

NAMES = [
    *("main", "feature/x", "a-b_c.d", "\u00fcml\u00e4ut", "\u2764\ufe0f", "a@b", "a{b", "x/@", "1"),
    *("", "@", "HEAD", "-", "-u", "--all", ".a", "a.", "a..b", "a/.b", "a/", "/a", "a//b"),
    *("a.lock", "a.lock/b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "a@{b", "@{-1}"),
    *("a\tb", "a\nb", "a\x7fb", "a/-u", "refs/heads/x", "a]b", "a,b", "a$b", "a;b", "..", "."),
    *("a.lockx", "lock", "a/b.c/d", "'", '"', "a|b", "a&b", "\u202eabc"),
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_branch_is_one_where_git_says_so(name: str) -> None:
    done = subprocess.run(
        ["git", "check-ref-format", f"refs/heads/{name}"], capture_output=True, check=False
    )
    reserved = name.startswith("-") or name in {"@", "HEAD"}
    assert is_branch_name(name) is (done.returncode == 0 and not reserved)


def test_a_branch_has_no_character_that_steers_a_terminal_and_fits_a_file_system() -> None:
    assert not is_branch_name("a\x9bb")
    assert not is_branch_name("a\x00b")
    assert not is_branch_name("a\ud800b")
    assert is_branch_name("a" * 244)
    assert not is_branch_name("a" * 245)
    assert not is_branch_name("\u00fc" * 123)
