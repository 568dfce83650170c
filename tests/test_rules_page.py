"""The page of the rules: every setting with its default, and an example that is accepted."""

import re

import yaml
from tests import pages

from loop_kit.core.loop.rules.settings import Rules
from loop_kit.settings import config_values, resolve

ROW = re.compile(r"^\| `([a-z_]+)\.([a-z_]+)` \| `([^`]*)` \|", re.MULTILINE)


def test_the_page_has_every_threshold_with_its_default() -> None:
    rows = ROW.findall(pages.text("docs/rules.md"))
    shown = [(rule, name, yaml.safe_load(default)) for rule, name, default in rows]
    defaults = [
        (rule, name, value)
        for rule, settings in Rules().model_dump(mode="json").items()
        for name, value in settings.items()
    ]
    assert shown == defaults


def test_the_example_of_the_page_is_accepted() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", pages.text("docs/rules.md"), re.DOTALL)
    rules = resolve([("config", config_values(yaml.safe_load(example), "config"))]).rules
    assert rules.stalled.rounds == 3
    assert rules.bar.pre_existing == ("high", "criterion")
