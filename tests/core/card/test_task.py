"""The task card: what is accepted, what is refused with which hint, and what its hash covers."""

import json

import pytest

from loop_kit.core.card.task import MAX_CARD_BYTES, TaskCard, card_from, check_task_id, parse_card
from loop_kit.errors import BadCard

MINIMAL = {"task_id": "T-001", "goal": "add is right"}


def encoded(**fields: object) -> bytes:
    return json.dumps({**MINIMAL, **fields}).encode()


def refusal(raw: bytes, name: str = "card.json") -> str:
    with pytest.raises(BadCard) as refused:
        parse_card(raw, name)
    assert refused.value.exit_code == 3
    assert refused.value.remedy
    return str(refused.value)


def test_a_card_of_every_field_is_read_from_json_and_yaml_alike() -> None:
    document = {
        **MINIMAL,
        "title": "Sum",
        "in_scope": ["src/"],
        "out_of_scope": ["docs/"],
        "acceptance_criteria": ["add(1, 2) is 3", "it is quick"],
        "constraints": ["no new files"],
        "verify": ["pytest -q"],
        "limits": {"max_rounds": 2, "max_minutes": 1.5, "max_cost_usd": 3},
        "worker": {"backend": "codex", "model": "m"},
        "depends_on": ["T-000"],
        "status": "todo",
    }
    card = parse_card(json.dumps(document).encode(), "card.json")
    assert card.criteria == (("C1", "add(1, 2) is 3"), ("C2", "it is quick"))
    assert (card.limits.max_rounds, card.limits.max_minutes) == (2, 1.5)
    assert (card.worker.backend, card.reviewer.backend) == ("codex", None)
    text = json.dumps(document, indent=1)
    assert parse_card(text.encode(), "card.YML") == card
    assert parse_card(b"task_id: T-001\ngoal: add is right\n", "c.yaml") == card_from(MINIMAL, "c")


def test_a_byte_order_mark_is_read_over() -> None:
    assert parse_card(b"\xef\xbb\xbf" + encoded(), "card.json").task_id == "T-001"


def test_a_card_that_is_not_utf_8_says_where() -> None:
    raw = '{"task_id": "T-001", "goal": "Größe"}'.encode("latin-1")
    assert refusal(raw).startswith("card.json: not UTF-8 at byte 32.")


@pytest.mark.parametrize(
    ("raw", "name", "sentence"),
    [
        (b"{", "c.json", "c.json: invalid JSON"),
        (b"", "c.json", "c.json: invalid JSON"),
        (b"[" * 60_000, "c.json", "c.json: invalid JSON: nested too deeply"),
        (b"a: [", "c.yml", "c.yml: invalid YAML"),
        (b"a: b: c", "c.yml", "c.yml: invalid YAML"),
        (b"- a\n- b\n", "c.yml", "a task card is an object, this is a list"),
        (b"", "c.yml", "a task card is an object, this is a NoneType"),
        (b'"T-001"', "c.json", "a task card is an object, this is a str"),
        (b"!!python/object/apply:os.system [id]", "c.yml", "c.yml: invalid YAML"),
        (b"x" * (MAX_CARD_BYTES + 1), "c.json", "over the limit of 65536"),
    ],
)
def test_what_is_no_card_is_refused_with_its_name_and_the_fault(
    raw: bytes, name: str, sentence: str
) -> None:
    assert sentence in refusal(raw, name)


def test_a_number_too_long_for_python_is_a_bad_card_and_no_bug() -> None:
    assert "c.json: invalid JSON" in refusal(b'{"task_id": ' + b"1" * 5_000 + b"}", "c.json")


@pytest.mark.parametrize("tagged", ['!!int ""', '!!bool "x"', '!!timestamp "x"', '!!float ""'])
def test_a_yaml_tag_that_does_not_fit_its_value_is_a_bad_card_and_no_bug(tagged: str) -> None:
    assert "c.yml: invalid YAML" in refusal(f"task_id: {tagged}".encode(), "c.yml")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"goal": 3}, "'goal': must be text, got int"),
        ({"goal": "  "}, "'goal': must not be blank"),
        ({"goal": None}, "'goal': must be text, got NoneType"),
        ({"task_id": 7}, "'task_id': must be text, got int"),
        ({"in_scope": "src/"}, "'in_scope': must be a list, got str"),
        ({"in_scope": ["src/", 4]}, "'in_scope.1': must be text, got int"),
        ({"acceptance_criteria": {"a": 1}}, "'acceptance_criteria': must be a list, got dict"),
        ({"verify": ["  "]}, "'verify.0': must not be blank"),
        ({"limits": []}, "'limits': must be a mapping, got list"),
        ({"limits": {"max_rounds": "two"}}, "'limits.max_rounds': must be a whole number, got str"),
        ({"limits": {"max_rounds": True}}, "'limits.max_rounds': must be a whole number, got bool"),
        ({"limits": {"max_rounds": 0}}, "'limits.max_rounds'"),
        ({"limits": {"max_minutes": -1}}, "'limits.max_minutes'"),
        ({"limits": {"max_cost_usd": float("nan")}}, "'limits.max_cost_usd'"),
        ({"status": "maybe"}, "'status'"),
        ({"goal": "a\x00b"}, "'goal': holds a NUL or half of a surrogate pair"),
        ({"title": "\ud800"}, "'title': holds a NUL or half of a surrogate pair"),
        ({"depends_on": ["../x"]}, "'depends_on.0': must be 1 to 64 letters"),
    ],
)
def test_a_field_that_does_not_fit_is_named(fields: dict[str, object], sentence: str) -> None:
    assert f"card.json: {sentence}" in refusal(encoded(**fields))


@pytest.mark.parametrize("field", MINIMAL)
def test_a_card_without_a_required_field_names_it(field: str) -> None:
    document = {key: value for key, value in MINIMAL.items() if key != field}
    assert f"'{field}' is missing. Add '{field}'." in refusal(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("fields", "where", "nearest"),
    [
        ({"gaol": "x"}, "gaol", "Did you mean 'goal'?"),
        ({"Acceptance-Criteria": []}, "Acceptance-Criteria", "Did you mean 'acceptance_criteria'?"),
        ({"limits": {"max_round": 1}}, "limits.max_round", "Did you mean 'max_rounds'?"),
        ({"worker": {"modle": "m"}}, "worker.modle", "Did you mean 'model'?"),
        ({"reviewer": {"zzz": 1}}, "reviewer.zzz", "Known are: backend, model."),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(
    fields: dict[str, object], where: str, nearest: str
) -> None:
    assert refusal(encoded(**fields)) == f"card.json: unknown key '{where}'. {nearest}"


@pytest.mark.parametrize(
    "task_id", ["T-001", "a", "0", "issue-12", "a.b_c-D", "v1.2", "x" * 64, "lock", "a.locks"]
)
def test_a_task_id_within_the_grammar_is_taken_as_it_is(task_id: str) -> None:
    assert check_task_id(task_id) == task_id
    assert card_from({**MINIMAL, "task_id": task_id}, "c").task_id == task_id


@pytest.mark.parametrize(
    "task_id",
    [
        *("", " ", "-u", "--upload-pack=x", ".hidden", "_x", "a b", "a\n", "\na", "a\x00"),
        *("../T-001", "T-001/sub", "T-001\\sub", "a..b", "..", ".", "a.", "a.lock", "refs/heads/x"),
        *(
            "x" * 65,
            "größe",
            "a\u200b",
            "１",
            "a~1",
            "a^",
            "a:b",
            "a?b",
            "a*",
            "a[b",
            "a@{0}",
            "$x",
        ),
    ],
)
def test_a_task_id_outside_the_grammar_is_refused_everywhere(task_id: str) -> None:
    with pytest.raises(ValueError, match="must be 1 to 64 letters"):
        check_task_id(task_id)
    assert "card.json: 'task_id': must be 1 to 64 letters" in refusal(encoded(task_id=task_id))


def test_the_hash_covers_what_is_asked_and_neither_key_order_nor_status() -> None:
    card = parse_card(encoded(in_scope=["a", "b"], constraints=["c"]), "c.json")
    turned = json.dumps(
        {"constraints": ["c"], "in_scope": ["a", "b"], "goal": MINIMAL["goal"], "task_id": "T-001"}
    )
    assert parse_card(turned.encode(), "c.yml").sha256 == card.sha256
    assert len(card.sha256) == 64
    for status in ("todo", "in_progress", "done", "blocked"):
        assert card.model_copy(update={"status": status}).sha256 == card.sha256


@pytest.mark.parametrize(
    "change",
    [
        {"goal": "something else"},
        {"in_scope": ["b", "a"]},
        {"verify": ["true"]},
        {"limits": {"max_rounds": 1}},
        {"title": "x"},
    ],
)
def test_any_other_change_changes_the_hash(change: dict[str, object]) -> None:
    base = parse_card(encoded(in_scope=["a", "b"]), "c.json")
    changed = parse_card(encoded(**{"in_scope": ["a", "b"], **change}), "c.json")
    assert changed.sha256 != base.sha256


def test_an_empty_field_asks_for_the_same_as_a_missing_one() -> None:
    assert parse_card(encoded(in_scope=[], title=""), "c").sha256 == card_from(MINIMAL, "c").sha256


def test_our_copy_has_the_status_we_manage_and_reads_back_as_the_same_card() -> None:
    card = parse_card(encoded(goal="Größe", in_scope=["src/"]), "c.json")
    copy = card.to_json("in_progress")
    assert json.loads(copy) == {
        "task_id": "T-001",
        "goal": "Größe",
        "in_scope": ["src/"],
        "status": "in_progress",
    }
    again: TaskCard = parse_card(copy, "c.json")
    assert (again.sha256, again.status) == (card.sha256, "in_progress")
    assert "status" not in json.loads(card.to_json())


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {x: 1}\n" + "".join(f"b{n}: &b{n} {{<<: [*a, *a]}}\n" for n in range(40)),
        "[" * 60_000,
        "a: &a [*a]\n",
    ],
)
def test_yaml_that_is_made_to_grow_is_refused(text: str) -> None:
    with pytest.raises(BadCard, match="invalid YAML"):
        parse_card(text.encode(), "card.yml")


def test_a_card_that_depends_on_half_the_world_is_refused() -> None:
    names = [f"D-{number}" for number in range(51)]
    assert len(TaskCard(task_id="A", goal="g", depends_on=tuple(names[1:])).depends_on) == 50
    with pytest.raises(BadCard, match="depends_on"):
        card_from({"task_id": "A", "goal": "g", "depends_on": names}, "a.json")


TWICE = {
    "JSON": ("c.json", '{"task_id": "T-1", "goal": "a", "goal": "b"}'),
    "nested JSON": ("c.json", '{"task_id": "T-1", "goal": "a", "limits": {"x": 1, "x": 1}}'),
    "YAML": ("c.yml", "task_id: T-1\ngoal: a\ngoal: b\n"),
    "YAML with quotes": ("c.yml", 'task_id: T-1\ngoal: a\n"goal": b\n'),
    "nested YAML": ("c.yml", "task_id: T-1\ngoal: a\nlimits: {max_rounds: 1, max_rounds: 2}\n"),
}


@pytest.mark.parametrize("kind", TWICE)
def test_a_key_that_is_given_twice_is_refused(kind: str) -> None:
    name, text = TWICE[kind]
    with pytest.raises(BadCard, match=r"the key '[a-z_]+' is given twice"):
        parse_card(text.encode(), name)
