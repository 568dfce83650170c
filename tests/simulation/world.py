"""The hidden side of one loop: which defects there are, where, and who has seen them.

Neither the engine nor an agent reads it, except through chances that the agents' traits give.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from itertools import product

from tests.simulation.traits import Task

OLD_LINES = 90
"""Lines that were there before."""
SYLLABLES = ("ba", "co", "di", "fu", "ga", "le", "mi", "no", "pe", "ra", "si", "to", "vu", "ze")
WORDS = tuple("".join(pair) for pair in product(SYLLABLES, repeat=2))


@dataclass
class Defect:
    """Something that is wrong, or (`false`) that a reviewer says is wrong."""

    number: int
    origin: int
    """The round whose lines it is on; 0 for lines that were there before."""
    production: bool = False
    false: bool = False
    hopeless: bool = False
    tested: bool = False
    criterion: str = ""
    severity: str = "medium"
    line: int = 1
    file: str = ""
    seen_by: tuple[bool, bool] = (True, True)
    """Whether the reviewer, and one of another vendor, can find it at all."""
    open: bool = True
    attempts: int = 0
    disputed: int = 0
    reversal: bool = False


class Dice:
    """Chances that depend on what is decided and not on what was decided before.

    So the same loop under another policy meets the same luck for as long as it is the same, and
    two policies are compared on the same loops.
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed

    def of(self, *what: object) -> random.Random:
        return random.Random(repr((self._seed, *what)))

    def chance(self, share: float, *what: object) -> bool:
        return share > 0 and self.of(*what).random() < share


def geometric(rng: random.Random, mean: float) -> int:
    """A number of 0 or more, spread as issues in the field are: many have few, a few have many."""
    return int(math.log(1 - rng.random()) / math.log(mean / (1 + mean))) if mean > 0 else 0


def poisson(rng: random.Random, mean: float) -> int:
    """A number of 0 or more around `mean`."""
    bound, product, count = math.exp(-mean), rng.random(), 0
    while product > bound:
        product, count = product * rng.random(), count + 1
    return count


@dataclass
class Change:
    """The change that a loop is about, as it really is."""

    dice: Dice
    task: Task
    sees: float = 1.0
    second_sees: float = 1.0
    hopeless: float = 0.0
    """The chance that a production bug cannot be fixed by this worker."""
    defects: list[Defect] = field(default_factory=list)
    texts: dict[str, Defect] = field(default_factory=dict)
    """What findings said, and what they were about."""
    lines: list[int] = field(default_factory=list)
    """Lines of source that each round added."""
    forms: tuple[int, int] = (0, 1)
    """What the last fix replaced, and what it is now; there was never more than `max_form`."""
    max_form: int = 1

    def __post_init__(self) -> None:
        for _ in range(poisson(self.dice.of("old"), self.task.old_defects)):
            self.add(0)

    @property
    def verified(self) -> bool:
        return self.dice.chance(self.task.verified, "verified")

    def add(self, origin: int, *, false: bool = False, file: str = "") -> Defect:
        """One more defect on lines of round `origin`."""
        number = len(self.defects)
        rng = self.dice.of("defect", number, origin, false)
        production = not false and rng.random() < self.task.production
        new = Defect(
            number=number,
            origin=origin,
            production=production,
            false=false,
            seen_by=self._seen(rng),
            hopeless=rng.random() < self.hopeless and production,
            tested=rng.random() < self.task.tested and production,
            criterion="C1" if rng.random() < self.task.criterion and production else "",
            line=rng.randint(1, max(1, self.lines[origin - 1]))
            if origin > 0
            else rng.randint(1, 90),
            file=file or place(origin),
        )
        self.defects.append(new)
        return new

    def first_work(self) -> None:
        """What round 1 adds."""
        for _ in range(geometric(self.dice.of("first"), self.task.defects)):
            self.add(1)
        if self.hopeless == 1 and not any(each.hopeless for each in self.defects):
            bug = self.add(1)
            bug.production = bug.hopeless = True
            bug.seen_by = (True, True)

    def last_changed(self) -> int:
        """The last round that added lines."""
        return max((n for n, lines in enumerate(self.lines, 1) if lines), default=1)

    def next_form(self, *, back: bool) -> bytes:
        """The form after one more fix: a new one, or the one before the last fix."""
        self.max_form += not back
        self.forms = (self.forms[1], self.forms[0] if back else self.max_form)
        return b"the form of the whole is %d\n" % self.forms[1]

    def _seen(self, rng: random.Random) -> tuple[bool, bool]:
        """Two vendors miss much of the same: what one sees, the other sees more often."""
        first = rng.random() < self.sees
        missed = (1 - self.sees) * self.second_sees
        return first, rng.random() < (
            (self.sees - missed) / self.sees if first else self.second_sees
        )

    def live(self) -> list[Defect]:
        """The defects that are there now."""
        return [each for each in self.defects if each.open and not each.false]

    def hides_blocker(self) -> bool:
        """Whether what is there now is not right: a production bug is in it."""
        return any(each.production for each in self.live())

    def fails_audit(self) -> bool:
        """Whether a careful review by both vendors would find such a bug, as a field log counts."""
        return any(each.production and any(each.seen_by) for each in self.live())

    def fails_tests(self) -> bool:
        return any(each.tested for each in self.live())

    def say(self, defect: Defect, round_: int) -> str:
        """A finding about `defect` in words; two rounds do not use quite the same ones."""
        rng = self.dice.of("words", defect.number)
        words = rng.sample(WORDS, 9)
        for _ in range(3):
            other = self.dice.of("other words", defect.number, round_)
            words[other.randrange(9)] = other.choice(WORDS)
        text = f"The {' '.join(words[:4])} breaks the {' '.join(words[4:])}."
        return self.texts.setdefault(text, defect) and text

    def about(self, reason: str) -> Defect | None:
        """What a finding with this reason is about."""
        return self.texts.get(reason)


def place(origin: int) -> str:
    """The file that holds the lines of one round: blame of the simulation is in its name."""
    return f"r{origin}.py" if origin else "old.py"


def round_of(file: str) -> int | None:
    """The round that wrote the lines of `file`, 0 for before, None for a file that is not there."""
    if file == "old.py":
        return 0
    return int(file[1:-3]) if file[:1] == "r" and file[1:-3].isdigit() else None
