"""One pure cascade: defaults < `.loop/config` < card < `LOOP_*` and action inputs < flags."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import ValidationError

from loop_kit.core.card.task import TaskCard
from loop_kit.core.record import explain, has_unknown_key
from loop_kit.errors import BadSetting
from loop_kit.frozen import frozen
from loop_kit.settings.fields import Settings, known_secrets
from loop_kit.settings.sources import (
    ACTION_DEFAULTS,
    INPUTS,
    Values,
    card_values,
    config_values,
    environment_values,
    flag_values,
    input_values,
    names,
)

__all__ = [
    "ACTION_DEFAULTS",
    "INPUTS",
    "Layer",
    "Layers",
    "Settings",
    "Values",
    "card_values",
    "config_values",
    "environment_values",
    "flag_values",
    "for_job",
    "for_laptop",
    "input_values",
    "known_secrets",
    "names",
    "read_fail_on",
    "resolve",
]

Layer = tuple[str, Values]
"""Settings from one source, with the name that messages give it."""


def resolve(layers: Iterable[tuple[str, Values]]) -> Settings:
    """The settings of `layers`, each a name for messages and values, the weakest first.

    Raises:
        BadSetting: a value does not fit; the layer that gave it is named.
    """
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for layer, values in layers:
        merged.update(values)
        origin.update(dict.fromkeys(values, layer))
    if merged.get("isolation") == "in-place":
        raise BadSetting(
            f"{origin['isolation']}: isolation in-place is not supported any more: agents work in"
            " clones of their own.",
            "Remove the setting; `loop run` fast-forwards your branch when the work is approved.",
            anchor="setting-removed",
        )
    return _validated(merged, origin)


_SPELLED: Mapping[str, Callable[[str], str]] = {
    "flags": lambda key: f"--{key.replace('_', '-')}",
    "environment": lambda key: f"LOOP_{key.upper()}",
    "inputs": lambda key: key.replace("_", "-"),
}
"""How a layer spells the name of a setting, where it is not as a file does."""


def _validated(values: Values, origin: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(values).with_sources(origin)
    except ValidationError as error:
        key = str(error.errors(include_url=False)[0]["loc"][0])
        sentence, remedy = explain(error, Settings)
        where = origin.get(key, "settings")
        anchor = "setting-unknown" if has_unknown_key(error) else None
        if where in _SPELLED:
            called = _SPELLED[where](key)
            sentence, remedy = (text.replace(repr(key), called) for text in (sentence, remedy))
            raise BadSetting(f"{sentence}.", remedy, anchor=anchor) from None
        raise BadSetting(f"{where}: {sentence}.", remedy, anchor=anchor) from None
    except ValueError as error:
        raise BadSetting(
            f"A setting cannot be read: {error}.", "Close every quote that it opens."
        ) from None


@frozen
class Layers:
    """The settings of one invocation, before its configuration file and its card are known.

    Attributes:
        defaults: The weakest layer: what replaces the fields' own defaults.
        given: Stronger than configuration and card; the strongest is last.
    """

    defaults: Values
    given: tuple[Layer, ...]

    def over(self, name: str, values: Values) -> "Layers":
        """These layers below one more, which is the strongest."""
        return replace(self, given=(*self.given, (name, values)))

    def resolve(self, config: Layer = ("config", {}), card: TaskCard | None = None) -> Settings:
        """The settings, with what the configuration file and the card say.

        With `verify_from: base` the card's verify commands do not count. People merge where any
        layer says so.

        Raises:
            BadSetting: a value does not fit; the layer that gave it is named.
        """
        own = {} if card is None else card_values(card)
        layers = [("defaults", self.defaults), config, ("card", own), *self.given]
        settings = resolve(layers)
        if settings.verify_from == "base" and own.pop("verify", None):
            settings = resolve(layers)
        if any(values.get("on_approved") == "ready" for _, values in layers):
            settings = settings.model_copy(update={"on_approved": "ready"})
        for layer, values in layers:  # a stronger layer hides no mistake of a weaker one
            if values:
                _validated(values, dict.fromkeys(values, layer))
        return settings


def for_laptop(environ: Mapping[str, str], flags: Values | None = None) -> Layers:
    """The layers of a command that a person runs: `LOOP_*`, then its flags.

    Raises:
        BadSetting: a variable looks like a misspelt setting.
    """
    return Layers({}, (("environment", environment_values(environ)), ("flags", flags or {})))


def for_job(environ: Mapping[str, str]) -> Layers:
    """The layers of a job: `LOOP_*`, the action's inputs, then the input `loop-kit-args`.

    Raises:
        BadSetting: a value does not fit; the layer that gave it is named.
    """
    given = (("environment", environment_values(environ)), ("inputs", input_values(environ)))
    layers = Layers(ACTION_DEFAULTS, given)
    words = layers.resolve().loop_kit_args
    return layers.over("loop-kit-args", flag_values(words)) if words else layers


def read_fail_on(environ: Mapping[str, str]) -> Literal["never", "failed", "not-approved"]:
    """The setting `fail_on` of a job, also where another setting is wrong."""
    try:
        values = {**environment_values(environ), **input_values(environ)}
        return resolve([("inputs", {"fail_on": values.get("fail_on", "failed")})]).fail_on
    except BadSetting:
        return "failed"
