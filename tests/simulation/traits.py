"""What simulated agents and changes are like: every parameter with its source.

The values are those of field logs and papers (docs/convergence.md names them); `[ours]` marks one
that nobody has published, and the sensitivity sweep varies each of these.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A kind of change, and what is wrong with the first version of it."""

    defects: float = 3.5
    """Mean number of visible defects in the first work, geometric: p90 of 9 (cqlite #2088)."""
    production: float = 0.19
    """A defect is a production bug: 3.5 defects then leave 0.60 of first works correct."""
    old_defects: float = 0.3
    """Mean number of defects on lines that were there before, all visible. [ours]"""
    criterion: float = 0.5
    """A production bug means that an acceptance criterion is not met. [ours]"""
    verified: float = 0.5
    """The card has verify commands. [ours]"""
    tested: float = 0.5
    """They find a production bug: 0.20 of works that pass are wrong (SWE-bench audits)."""
    lines: float = 600
    """Lines of the first work (QwenLM #9118)."""


@dataclass(frozen=True)
class WorkerTraits:
    """How a worker fixes."""

    fixes: float = 0.75
    """A finding is fixed in its first attempt. [ours]"""
    decay: float = 0.8
    """Of that, per further attempt in one conversation (Debugging Decay: 0.3 to 0.8)."""
    mints: float = 0.35
    """Defects added per fix (crucible #528)."""
    lines: float = 115
    """Lines per fix: 230 for a round of two (QwenLM #9118)."""
    simplifies: float = 0.5
    """Of the added lines that go when asked to simplify. [ours]"""
    disputes_false: float = 0.5
    """A finding on correct code is disputed. [ours]"""
    repeats: float = 0.5
    """It disputes again what was upheld, and does not fix it. [ours]"""
    disputes_real: float = 0.024
    """A real one is: seven of ten disputes are right (QwenLM #9118)."""
    hopeless: float = 0.0
    """A production bug is one that this worker cannot fix."""
    shams: float = 0.0
    """A fix only looks like one."""
    boasts: float = 0.0
    """Its notes are a success story."""


@dataclass(frozen=True)
class ReviewerTraits:
    """What a reviewer sees, and what it makes of it."""

    sees: float = 0.75
    """A defect is one that this model can find at all, in however many passes. [ours]"""
    recall: float = 0.60
    """It is found in a pass then: 0.45 of all are (SWE-PRBench)."""
    second_sees: float = 0.30
    """What it cannot find, another vendor's can: their findings then overlap by 0.37 (zenodo)."""
    after_boast: float = 0.5
    """What is left of that after a success story. [ours]"""
    cap: int = 2
    """Findings reported in a round (shepherdjerred #2311: 2.2)."""
    first_cap: int = 6
    """In round 1, by a prompt that says what a round costs and asks for everything. [ours]"""
    false: float = 0.26
    """A round reports a finding on correct code (2603.00539)."""
    verdict_first: float = 1.0
    """The most of that by a prompt that asks for the verdict before the fix: 0.36 (2603.00539)."""
    claims_last: float = 0.8
    """What is left of the recall when a success story comes after the change, as claims. [ours]"""
    high_production: float = 0.68
    """A production bug is called high: half of those called high are (shepherdjerred #2311)."""
    low: float = 0.05
    """What is not called high is called low: 1 % of all findings were (shepherdjerred #2311)."""
    high_other: float = 0.16
    """Another defect is called high: 0.08 of what is not called high is a production bug."""
    sees_unfixed: float = 0.85
    """A finding that is not fixed is seen to be so. [ours]"""
    doubts_fixed: float = 0.03
    """A finding that is fixed is said not to be. [ours]"""
    agrees: float = 0.08
    """It approves although it found something: two runs on one diff differ in 0.15. [ours]"""
    forgets: float = 0.05
    """An open finding is not mentioned. [ours]"""
    insists: float = 0.5
    """Asked about a finding that its approval left out, it says that it is fixed. [ours]"""
    withdraws_false: float = 0.85
    """A finding on correct code is withdrawn when it is disputed. [ours]"""
    withdraws_real: float = 0.3
    """A real one is. [ours]"""
    yields: float = 0.7
    """What is left of both after it has upheld the finding once. [ours]"""
    restates: float = 0.1
    """A finding that is not fixed is reported again, in other words and without its id. [ours]"""
    reverses: float = 0.05
    """The next round orders the reversal of a fix. [ours]"""
    nowhere: float = 0.1
    """A finding on correct code names a place that does not exist. [ours]"""
    complies: float = 0.8
    """It decides by the bar that it is given. [ours]"""
    late: float = 0.6
    """What is left of the recall from round 2 on, off the lines of the last fix. [ours]"""


@dataclass(frozen=True)
class Infrastructure:
    """What fails besides the agents' judgement."""

    fails: float = 0.07
    """An agent's process fails for a passing reason. [ours]"""
    malformed: float = 0.03
    """A report is malformed; 0.097 in all (2510.11822)."""


@dataclass(frozen=True)
class Population:
    """Loops of one kind; `share` is its part of the mixture."""

    name: str
    share: float
    about: str
    satisfied_once: bool = False
    """The reviewer is never satisfied after round 1."""
    task: Task = Task()
    worker: WorkerTraits = WorkerTraits()
    reviewer: ReviewerTraits = ReviewerTraits()
    second: ReviewerTraits = ReviewerTraits()
    """One of another vendor has not the faults of the first (KiroCrew #3656)."""
    infrastructure: Infrastructure = Infrastructure()
