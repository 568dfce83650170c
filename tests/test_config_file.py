"""Which configuration file counts when there are several, asked of what a caller can read."""

from __future__ import annotations

import pytest

from loop_kit.config_file import MAX_CONFIG, Config, first_config
from loop_kit.errors import BadSetting

JSON = b'{"max-rounds": 2}'


def chosen(**files: bytes) -> Config:
    """What counts among `files`, each named by its ending."""
    there = {f".loop/config.{ending}": raw for ending, raw in files.items()}
    return first_config(there.get, ".loop")


@pytest.mark.parametrize(
    "silent", [b"", b"\n", b"# max_rounds: 5\n", b"\xef\xbb\xbf", b"{}", b"---"]
)
@pytest.mark.parametrize("ending", ["yaml", "yml"])
def test_a_file_that_sets_nothing_does_not_hide_the_next(ending: str, silent: bytes) -> None:
    expected = Config(".loop/config.json", {"max_rounds": 2})
    assert chosen(**{ending: silent}, json=JSON) == expected


def test_the_first_file_that_sets_something_is_the_only_one_that_counts() -> None:
    assert chosen(yml=b"draft: false", json=JSON, yaml=b"scope: strict") == Config(
        ".loop/config.yaml", {"scope": "strict"}
    )
    assert chosen(yml=b"draft: false", json=b"not looked at") == Config(
        ".loop/config.yml", {"draft": False}
    )


def test_files_that_all_set_nothing_are_named_by_the_first() -> None:
    assert chosen(yaml=b"", json=b"{}") == Config(".loop/config.yaml")
    assert chosen(json=b"{}") == Config(".loop/config.json")


def test_without_a_file_nothing_is_set() -> None:
    assert chosen() == Config()


@pytest.mark.parametrize("wrong", [b"a: [", b"5", b"\xff", b"x: 1", b"#" * (MAX_CONFIG + 1)])
def test_a_file_that_is_wrong_is_refused_and_not_passed_over(wrong: bytes) -> None:
    with pytest.raises(BadSetting, match=r"\.loop/config\.yaml: "):
        chosen(yaml=wrong, json=JSON)
