"""Who meets whom: the populations of the mixture, and the loops that the field logs are of."""

from __future__ import annotations

from tests.simulation.traits import (
    Infrastructure,
    Population,
    ReviewerTraits,
    Task,
    WorkerTraits,
)

SHARE = 0.1
"""Nobody has published how common each is, so each is as common as every other."""

POPULATIONS = (
    Population("good pair", SHARE, "typical values for everything"),
    Population(
        "minting fixer", SHARE, "every fix adds a defect", worker=WorkerTraits(mints=1.0, lines=150)
    ),
    Population(
        "finds always",
        SHARE,
        "the reviewer always finds something",
        reviewer=ReviewerTraits(false=1.0, nowhere=0.2),
    ),
    Population(
        "agreeable",
        SHARE,
        "the reviewer approves two of three times, whatever it found",
        reviewer=ReviewerTraits(agrees=0.65, sees_unfixed=0.5, forgets=0.2),
    ),
    Population(
        "explain and fix",
        SHARE,
        "asked to explain and fix, it rejects correct code",
        reviewer=ReviewerTraits(false=0.8, verdict_first=0.36, doubts_fixed=0.15),
    ),
    Population(
        "ping-pong",
        SHARE,
        "each round orders the reversal of the last fix",
        satisfied_once=True,
        reviewer=ReviewerTraits(reverses=1.0, agrees=0.0, complies=0.0),
    ),
    Population(
        "gaming worker",
        SHARE,
        "its fixes only look like fixes, its notes are a success story",
        worker=WorkerTraits(shams=0.9, boasts=1.0, disputes_real=0.1),
    ),
    Population(
        "restating",
        SHARE,
        "the reviewer reports again what it reported, without its id",
        reviewer=ReviewerTraits(restates=0.8, doubts_fixed=0.2),
    ),
    Population(
        "flaky",
        SHARE,
        "three of ten calls fail",
        infrastructure=Infrastructure(fails=0.2, malformed=0.1),
    ),
    Population(
        "weak worker",
        SHARE,
        "a production bug is one that it cannot fix",
        worker=WorkerTraits(hopeless=1.0, fixes=0.45, mints=0.5),
    ),
)

FIELD = (
    Population(
        "long loops",
        0.4,
        "pull requests as in the logs that counted findings over many rounds",
        task=Task(verified=0),
        worker=WorkerTraits(mints=0.9),
    ),
    Population(
        "large changes",
        0.2,
        "the same, twice as much to find, and more of it reported in a round",
        task=Task(defects=8, verified=0),
        worker=WorkerTraits(mints=0.9),
        reviewer=ReviewerTraits(cap=4),
    ),
    Population("typical loops", 0.4, "typical values for everything", task=Task(verified=0)),
)
"""The unguarded loops of the field logs: their agents are asked again for as long as it takes."""
