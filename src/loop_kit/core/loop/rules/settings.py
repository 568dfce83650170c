"""Every threshold of the rules, and a switch for each: with all of them off, only rounds count.

They are recorded with the limits of a loop, so that a state says what it was judged by.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from loop_kit.core.record import ExtensibleRecord, suggestion
from loop_kit.errors import BadSetting

Condition = Literal["any", "high", "medium", "low", "criterion"]
"""What a new finding needs to block: nothing, a severity, or a criterion that is not met."""

BackendName = Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9._-]{0,49})?$")]
"""A backend by its name, or '' for none."""

Count = Annotated[int, Field(ge=1)]


class Bar(ExtensibleRecord):
    """Which new findings block, by where they are; one that meets no condition is for later.

    `scenario` says when it needs a `scenario` or a `criterion` besides: with strict evidence, ...
    From round `late_from` on, `late_fix` judges the lines of the last fix. With `asks_again`, a
    reviewer that requires changes of which none blocks is asked once more in the same round.
    """

    enabled: bool = True
    scenario: Literal["strict", "always", "never"] = "strict"
    first_round: tuple[Condition, ...] = ("any",)
    last_fix: tuple[Condition, ...] = ("any",)
    late_fix: tuple[Condition, ...] = ("high", "criterion")
    late_from: Annotated[int, Field(ge=2)] = 3
    older_work: tuple[Condition, ...] = ("high", "criterion")
    pre_existing: tuple[Condition, ...] = ("criterion",)
    nowhere: tuple[Condition, ...] = ("high", "criterion")
    unknown: tuple[Condition, ...] = ("any",)
    asks_again: bool = True


class Join(ExtensibleRecord):
    """When a finding without an id is an old one: near it in the same file, in similar words."""

    enabled: bool = True
    similarity: Annotated[float, Field(ge=0, le=1)] = 0.75
    lines: Annotated[int, Field(ge=0)] = 10


class Passes(ExtensibleRecord):
    """How many further passes each reviewer makes over a change that it sees for the first time.

    `alone` is where no second reviewer is set, `with_second` where one is.
    """

    alone: Annotated[int, Field(ge=0, le=4)] = 0
    with_second: Annotated[int, Field(ge=0, le=4)] = 1


class Stalled(ExtensibleRecord):
    """A finding that was not fixed in `rounds` rounds running: first a fresh conversation.

    The worker of that round is `backend`, where one is named.
    """

    enabled: bool = True
    rounds: Count = 2
    fresh_round: bool = True
    backend: BackendName = ""


class Contested(ExtensibleRecord):
    """A finding that was disputed and upheld this many times."""

    enabled: bool = True
    upheld: Count = 2


class DiffGrowth(ExtensibleRecord):
    """The whole change over that of round 1, at least `smallest_start` lines; 0 is no limit."""

    enabled: bool = True
    limit: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 4
    smallest_start: Count = 50
    simplify_round: bool = True


class Oscillation(ExtensibleRecord):
    """A fix that restores what the last one removed is reported.

    `rounds` such fixes running, to and fro in the same lines, stop the loop; 0 means that none do.
    """

    enabled: bool = True
    rounds: Annotated[int, Field(ge=0)] = 2


class Checks(ExtensibleRecord):
    """How many cancelled workflow runs a loop runs again, and how soon an expected check starts."""

    reruns: Annotated[int, Field(ge=0)] = 3
    start_minutes: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10


class Later(ExtensibleRecord):
    """What becomes of the findings below the bar at an approval: one issue, where asked for."""

    follow_up: Literal["none", "issue"] = "none"


class Rules(ExtensibleRecord):
    """The settings of every rule."""

    bar: Bar = Field(default_factory=Bar)
    join: Join = Field(default_factory=Join)
    later: Later = Field(default_factory=Later)
    passes: Passes = Field(default_factory=Passes)
    stalled: Stalled = Field(default_factory=Stalled)
    contested: Contested = Field(default_factory=Contested)
    diff_growth: DiffGrowth = Field(default_factory=DiffGrowth)
    oscillation: Oscillation = Field(default_factory=Oscillation)
    checks: Checks = Field(default_factory=Checks)

    def with_growth_limit(self, limit: float | None) -> "Rules":
        """These rules with another limit of the diff growth; None leaves it as it is."""
        if limit is None:
            return self
        growth = self.diff_growth.model_copy(update={"limit": limit})
        return self.model_copy(update={"diff_growth": growth})


def known_rules(document: object, name: str) -> object:
    """`document`, which sets rules in the file `name`, with the names that the settings have.

    Raises:
        BadSetting: it has a rule or a threshold that does not exist.
    """
    if not isinstance(document, Mapping):
        return document
    rules = {_name(rule): values for rule, values in document.items()}
    _refuse_unknown(rules, Rules.model_fields, f"{name}: unknown setting 'rules.")
    for rule, values in rules.items():
        if isinstance(values, Mapping):
            rules[rule] = {_name(key): value for key, value in values.items()}
            kind: Any = Rules.model_fields[rule].annotation
            before = f"{name}: unknown setting 'rules.{rule}."
            _refuse_unknown(rules[rule], kind.model_fields, before)
    return rules


def _name(key: object) -> str:
    return str(key).replace("-", "_")


def _refuse_unknown(keys: Iterable[str], known: Iterable[str], before: str) -> None:
    for key in keys:
        if key not in known:
            raise BadSetting(f"{before}{key}'.", suggestion(key, known), anchor="setting-unknown")
