"""What counts as a command in a comment, and what is only talk about one."""

import pytest
from pydantic import ValidationError

from loop_kit.core.agent.role import Role
from loop_kit.core.loop import commands
from loop_kit.core.loop.budget import Budget
from loop_kit.core.loop.commands import DECISIONS, VERBS, Command, Decision, Misspelt, Verb

NEEDS_MORE = {"extend", "budget", *DECISIONS}


def read_command(body: str) -> Command | Misspelt | None:
    return commands.read_command(body, 7, by="mona", at="2026-01-02T03:04:05Z")


def command(verb: Verb, rounds: int = 0) -> Command:
    return Command(comment=7, verb=verb, by="mona", at="2026-01-02T03:04:05Z", rounds=rounds)


def misspelt(body: str) -> Misspelt:
    found = read_command(body)
    assert isinstance(found, Misspelt)
    return found


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in NEEDS_MORE])
def test_every_verb_is_read_in_any_case(verb: str) -> None:
    for body in (f"/loop {verb}", f"/loop {verb.upper()}", f"/loop\t {verb.title()} \r\n"):
        found = read_command(body)
        assert isinstance(found, Command)
        assert (found.verb, found.rounds) == (verb, 0)


@pytest.mark.parametrize("body", ["/LOOP stop", "/Loop Stop", "/lOOp STOP"])
def test_the_word_itself_may_be_in_any_case(body: str) -> None:
    command = read_command(body)
    assert isinstance(command, Command)
    assert command.verb == "stop"


def test_the_word_alone_asks_for_the_status() -> None:
    for body in ("/loop", "/loop ", "/loop\nplease", "\n \t\n/loop\r\n"):
        assert read_command(body) == command("status")


@pytest.mark.parametrize(("said", "rounds"), [("1", 1), ("2", 2), ("9", 9), ("10", 10), ("20", 20)])
def test_extend_says_by_how_many_rounds(said: str, rounds: int) -> None:
    assert read_command(f"/loop extend {said}") == command("extend", rounds)


@pytest.mark.parametrize(
    "said",
    [
        *("", "0", "-1", "+1", "21", "100", "02", "1.5", "2e1", "two", "2 rounds", "1 2"),
        *("\u0662", "\uff12", "\u00b2", "9" * 400, "$(id)"),
    ],
)
def test_extend_takes_one_number_from_1_to_20_and_nothing_else(said: str) -> None:
    found = misspelt(f"/loop extend {said}")
    assert "from 1 to 20" in found.sentence
    assert found.nearest == "extend"


@pytest.mark.parametrize(
    ("said", "budget"),
    [
        ("2 USD", Budget(cost_usd=2)),
        ("0.50 usd", Budget(cost_usd=0.5)),
        ("2usd", Budget(cost_usd=2)),
        ("30 min", Budget(minutes=30)),
        ("1 minute", Budget(minutes=1)),
        ("500k tokens", Budget(tokens=500_000)),
        ("1.5M tokens", Budget(tokens=1_500_000)),
        ("800 tokens", Budget(tokens=800)),
    ],
)
def test_budget_says_how_much_of_what_is_added(said: str, budget: Budget) -> None:
    found = read_command(f"/loop budget {said}")
    assert found == command("budget").model_copy(update={"budget": budget})


@pytest.mark.parametrize(
    "said",
    [
        *("", "2", "USD", "0 USD", "-1 USD", "+1 USD", "2k USD", "2 EUR", "1e9 USD", "$2"),
        *("2 USD please", "0.00001 USD", "99999m tokens", "0.5 tokens", "\u0662 USD"),
        *("9" * 400 + " USD", "nan USD", "inf min"),
    ],
)
def test_budget_takes_one_amount_with_its_unit_and_nothing_else(said: str) -> None:
    found = misspelt(f"/loop budget {said}")
    assert "needs one amount, as in `/loop budget 2 USD`" in found.sentence
    assert found.nearest == "budget"


@pytest.mark.parametrize("verb", DECISIONS)
@pytest.mark.parametrize(
    ("said", "ids"),
    [
        ("F3", ("F3",)),
        ("f3", ("F3",)),
        ("F3 F4 f12", ("F3", "F4", "F12")),
        ("F3, F4", ("F3", "F4")),
        ("F3,F4,", ("F3", "F4")),
        ("F3 f3 F3", ("F3",)),
    ],
)
def test_a_decision_names_findings_and_may_say_why(
    verb: Decision, said: str, ids: tuple[str, ...]
) -> None:
    found = read_command(f"/loop {verb.title()} {said} Because  it is intended. ")
    wanted = {"findings": ids, "because": "it is intended."}
    assert found == command(verb).model_copy(update=wanted)
    if verb != "dismiss":
        assert read_command(f"/loop {verb} {said}") == command(verb).model_copy(
            update={"findings": ids}
        )


@pytest.mark.parametrize("said", ["F3", "F3 because", "F3 because …", "F3 because ...", "F3 F4"])
def test_a_dismissal_needs_a_reason(said: str) -> None:
    found = misspelt(f"/loop dismiss {said}")
    assert found.sentence == ("`/loop dismiss` needs a reason, as in `/loop dismiss F3 because …`.")


@pytest.mark.parametrize(
    "said", ["", "because it is", "," * 9, " ".join(f"F{n}" for n in range(1, 52))]
)
def test_a_decision_without_findings_or_with_too_many_is_none(said: str) -> None:
    assert "needs the ids of 1 to 50 findings" in misspelt(f"/loop waive {said}").sentence


@pytest.mark.parametrize("said", ["3", "F0", "F03", "F1234567", "F3.", "finding", "F\u0663", "#3"])
def test_what_is_no_id_of_a_finding_makes_no_decision(said: str) -> None:
    found = misspelt(f"/loop require F1 {said}")
    assert "is no id of a finding: `/loop require` is used as in" in found.sentence
    assert found.nearest == "require"


def test_a_long_reason_is_cut() -> None:
    found = read_command("/loop dismiss F3 because " + "no " * 300)
    assert isinstance(found, Command)
    assert len(found.because) <= commands.MAX_REASON


@pytest.mark.parametrize(
    ("said", "backend", "role"),
    [
        ("with claude", "claude", None),
        ("With Claude", "claude", None),
        ("with my-agent.2", "my-agent.2", None),
        ("with codex as reviewer", "codex", Role.REVIEWER),
        ("WITH codex AS Worker", "codex", Role.WORKER),
        ("with codex as second", "codex", Role.SECOND_REVIEWER),
    ],
)
def test_a_retry_may_name_another_backend(said: str, backend: str, role: Role | None) -> None:
    found = read_command(f"/loop retry {said}")
    assert found == command("retry").model_copy(update={"backend": backend, "role": role})


@pytest.mark.parametrize(
    "said",
    [
        *("claude", "with", "with claude please", "with claude as", "with claude as boss"),
        *("with -x", "with a/b", "with $(id)", "as reviewer", "with " + "a" * 60, "now"),
    ],
)
def test_a_retry_takes_nothing_else(said: str) -> None:
    found = misspelt(f"/loop retry {said}")
    assert "is used alone, or as in `/loop retry with claude`" in found.sentence
    assert found.nearest == "retry"


def test_what_follows_on_later_lines_is_not_read() -> None:
    assert read_command("/loop stop\nbecause it is wrong\n/loop retry") == command("stop")
    assert read_command("/loop pause\r/loop retry") == command("pause")


def test_what_follows_on_the_same_line_makes_it_no_command() -> None:
    found = misspelt("/loop stop please")
    assert found == Misspelt("`/loop stop` takes nothing after it on its line.", "stop")
    assert misspelt("/loop status 3").nearest == "status"


@pytest.mark.parametrize(
    "body",
    [
        *("", " ", "\n\n\n", "hello", "stop", "loop stop", "//loop stop", "\\/loop stop"),
        *("/loops", "/loopstop", "/loop-stop", "/loop:stop", "/Loops stop", "/LOOPSTOP"),
        *(" /loop stop", "\t/loop stop", "    /loop stop", "Please do\n/loop stop"),
        *("> /loop stop", "> quoted\n\n/loop stop", "- /loop stop", "`/loop stop`"),
        *("```\n/loop stop\n```", "~~~\n/loop stop", "<!-- x -->\n/loop stop"),
        *("**/loop stop**", "# /loop stop", "[/loop stop](x)"),
    ],
)
def test_talk_about_a_command_is_no_command(body: str) -> None:
    assert read_command(body) is None


@pytest.mark.parametrize("hidden", ["\u200b", "\ufeff", "\u202e", "\u00ad", "\x00", "\x1b[31m"])
def test_characters_that_nobody_sees_make_no_command(hidden: str) -> None:
    for body in (f"{hidden}/loop stop", f"/lo{hidden}op stop", f"/loop{hidden} stop"):
        assert read_command(body) is None
    for body in (f"/loop st{hidden}op", f"/loop stop{hidden}", f"/loop {hidden}stop"):
        assert "nobody can see" in misspelt(body).sentence
    assert read_command(f"{hidden}\n/loop stop") is None


@pytest.mark.parametrize(
    ("said", "nearest"),
    [("stpo", "stop"), ("stop.", "stop"), ("retri", "retry"), ("extnd", "extend")],
)
def test_a_misspelt_verb_is_answered_with_the_nearest(said: str, nearest: str) -> None:
    found = misspelt(f"/loop {said}")
    assert found.nearest == nearest
    assert f"`{said}` is not a command." in found.sentence
    assert f"Did you mean `/loop {nearest}`?" in found.sentence


def test_a_verb_that_is_like_none_is_answered_with_all() -> None:
    found = misspelt("/loop make-coffee")
    assert found.nearest is None
    assert all(f"`{verb}`" in found.sentence for verb in VERBS)


def test_an_answer_repeats_nothing_that_acts_in_a_comment() -> None:
    for word in ("@octocat/team", "`@octocat`", "<!--", "#1", "![x](http://x.test)", "a" * 900):
        sentence = misspelt(f"/loop {word}").sentence
        shown = sentence.split(" is not a command")[0]
        assert shown.startswith("`")
        assert shown.endswith("`")
        assert shown.count("`") == 2
        assert "<!--" not in sentence
        assert len(sentence) < 200


def test_only_the_first_thousand_characters_are_read() -> None:
    assert read_command(f"/loop stop\n{'x' * 100_000}") == command("stop")
    assert read_command(f"{chr(10) * 2_000}/loop stop") is None
    assert "too long" in misspelt(f"/loop stop{' ' * 100_000}").sentence
    cut_here = "\n" * (1_000 - len("/loop extend 1")) + "/loop extend 1"
    assert read_command(cut_here) == command("extend", 1)
    assert "too long" in misspelt(f"{cut_here}5").sentence


def test_text_that_cannot_be_encoded_is_read_all_the_same() -> None:
    assert read_command("\ud800 /loop stop") is None
    assert "nobody can see" in misspelt("/loop \ud800").sentence
    assert read_command("/loop stop\n\udfff") == command("stop")


def test_a_command_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        command("stop").rounds = 3  # type: ignore[misc]
