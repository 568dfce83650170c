"""A simulated worker and a simulated reviewer: they read what the engine gives agents, and answer.

What a finding is about they know from its words (`Change.about`), as an agent would from the code;
everything else they do is chance.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes import Act, MemoryMailbox
from tests.simulation.traits import Population
from tests.simulation.world import Change, Defect, place, poisson

from loop_kit.core.agent.report_values import Severity
from loop_kit.core.loop import bus
from loop_kit.core.loop.rules.bar import last_fix
from loop_kit.core.loop.rules.settings import Bar, Condition
from loop_kit.core.loop.state import LoopState, Role
from loop_kit.ports import AgentExit, Assignment

NOWHERE = "gone.py"
"""A file that is not there."""
FORM = "form.py"
"""What every fix changes; one that reverses the last fix restores what it was before."""
MALFORMED = b'{"decision": '


@dataclass
class Cast:
    """Both agents of one loop."""

    population: Population
    change: Change
    mailbox: MemoryMailbox
    state: Callable[[], LoopState] = LoopState
    calls: dict[str, int] = field(default_factory=lambda: dict.fromkeys(map(str, Role), 0))
    reported: list[tuple[int, int, bool]] = field(default_factory=list)
    """Each new finding: the round of its review and of its lines, and whether it is real."""
    carried: list[tuple[int, int, int]] = field(default_factory=list)
    """Of each review: its round, and how many findings are new and not fixed."""
    undisposed: tuple[str, ...] = ()
    """The open findings that the last approval did not mention, or did not say were dealt with."""
    second: bool = False
    on_word: bool = False
    """Whether an approval is reported as one that says of every finding that it is fixed."""
    prompted: bool = True
    """Whether the reviewer gets our prompts, and not those of agent-task-runner."""
    continues: bool = True
    """Whether a malformed report is more than the end of the loop."""
    ended: bool = False
    """Whether it was."""
    passes: dict[tuple[bool, int], list[Defect]] = field(default_factory=dict)
    """What was found by whom in which round: an attempt that is repeated finds the same."""
    further: dict[tuple[bool, int, int], list[Defect]] = field(default_factory=dict)
    """The same of further passes, by their number."""

    def play(self, job: Assignment) -> Act:
        """What the agent of this attempt does."""
        if self.ended:
            return Act(None, ended=AgentExit(exit_code=1))
        self.second = job.role is Role.SECOND_REVIEWER
        role = job.role.value
        self.calls[role] += 1
        luck = self.change.dice.of("infrastructure", role, job.round, job.attempt)
        infrastructure = self.population.infrastructure
        if luck.random() < infrastructure.fails:
            return Act(None, ended=AgentExit(exit_code=1))
        act = self._work(job) if job.role is Role.WORKER else self._review(job)
        if luck.random() < infrastructure.malformed:
            self.ended = not self.continues
            return Act(MALFORMED, act.files, act.commit)
        return act

    def _given(self, job: Assignment, name: str) -> Mapping[str, Any]:
        raw = self.mailbox.folders[job.mailbox].get(name)
        return json.loads(raw) if raw else {}

    def _work(self, job: Assignment) -> Act:
        if len(self.change.lines) >= job.round:
            files, responses = self._last
        else:
            files, responses = self._last = self._change(job)
        notes = "All is fixed and proven." if self._boasts() else "done"
        return Act({"notes": notes, "responses": responses}, files, f"Round {job.round}")

    def _boasts(self) -> bool:
        return self.change.dice.chance(self.population.worker.boasts, "boasts")

    def _change(self, job: Assignment) -> tuple[dict[str, bytes | None], list[dict[str, str]]]:
        """What the worker changes in this round, and what it says about each finding."""
        if job.round == 1:
            self.change.lines.append(self._lines(1, self.change.task.lines))
            self.change.first_work()
            return {place(1): _code(1, self.change.lines[0])}, []
        listed = self._given(job, bus.FIX_LIST).get("fixes", [])
        if self.state().simplify:
            return self._simplify(job.round), _answers(listed, "fixed")
        fixer = Fixer(
            self.population,
            self.change,
            job.round,
            fresh=self.state().fresh_round,
        )
        responses = [fixer.answer(each) for each in listed]
        verification = self._given(job, bus.FIX_LIST).get("verification")
        if self.prompted and verification and not verification["passed"]:
            fixer.fix_tests()
        self.change.lines.append(sum(self._lines(n, fixer.each) for n in range(fixer.fixes)))
        fixer.mint()
        files: dict[str, bytes | None] = {}
        if self.change.lines[-1]:
            files[place(job.round)] = _code(job.round, self.change.lines[-1])
            files[FORM] = self.change.next_form(back=fixer.reverses)
        return files, responses

    def _simplify(self, round_: int) -> dict[str, bytes | None]:
        """Remove a part of what the fixes added, and the defects on it."""
        self.change.lines.append(0)
        share, files = self.population.worker.simplifies, {}
        for number in range(2, round_):
            before = self.change.lines[number - 1]
            self.change.lines[number - 1] = left = int(before * (1 - share))
            if left != before:
                files[place(number)] = _code(number, left) if left else None
        for defect in self.change.live():
            if defect.origin > 1 and self.change.dice.chance(share, "gone", defect.number, round_):
                defect.open = False
        return files

    def _lines(self, part: int, mean: float) -> int:
        rng = self.change.dice.of("lines", len(self.change.lines), part)
        return max(1, int(mean * rng.lognormvariate(-0.125, 0.5)))

    def _review(self, job: Assignment) -> Act:
        attempt = self.state().attempt
        review = Review(self, job.round, self._given(job, bus.REVIEW_REQUEST))
        review.repairs = attempt is not None and attempt.repairs > 0
        return Act(review.further_pass(job.further) if job.further else review.report())


class Fixer:
    """One round of fixes."""

    def __init__(self, population: Population, change: Change, round_: int, *, fresh: bool) -> None:
        self.traits, self.change, self.round = population.worker, change, round_
        self.fresh = fresh
        self.each = self.traits.lines
        self.fixes = 0
        self.reverses = False
        self.tried: set[int] = set()

    def answer(self, finding: Mapping[str, Any]) -> dict[str, str]:
        """Fix or dispute one finding."""
        defect = self.change.about(finding["reason"])
        if defect is None:
            self.fix_tests()
            return _answers([finding], "fixed")[0]
        if self._disputes(defect) and not finding.get("required"):
            defect.disputed += 1
            return _answers([finding], "disputed")[0]
        self.fix(defect)
        return _answers([finding], "fixed")[0]

    def _disputes(self, defect: Defect) -> bool:
        """Whether it says that this is wrong; what was upheld, it often fixes then."""
        chance, traits = self.change.dice.chance, self.traits
        disputes = traits.disputes_false if defect.false else traits.disputes_real
        again = not defect.disputed or chance(traits.repeats, "repeats", defect.number, self.round)
        return again and chance(disputes, "dispute", defect.number)

    def fix_tests(self) -> None:
        """Fix what the verify commands find, once in a round: their output is in the prompt."""
        for bug in [each for each in self.change.live() if each.tested]:
            if bug.number not in self.tried:
                self.fix(bug)

    def fix(self, defect: Defect) -> None:
        self.tried.add(defect.number)
        self.fixes += 1
        self.reverses |= defect.reversal
        if self.fresh:
            defect.attempts = 0
        likely = self.traits.fixes * self.traits.decay**defect.attempts
        defect.attempts += 1
        sham = self.change.dice.chance(self.traits.shams, "sham", defect.number, self.round)
        if not (sham or defect.hopeless) and self.change.dice.chance(
            likely, "fix", defect.number, self.round
        ):
            defect.open = False

    def mint(self) -> None:
        """Add the defects that come with the fixes."""
        for number in range(self.fixes):
            rng = self.change.dice.of("mint", self.round, number)
            for _ in range(poisson(rng, self.traits.mints)):
                self.change.add(self.round)


class Review:
    """One pass of a reviewer, of the first or of the second one."""

    def __init__(self, cast: Cast, round_: int, request: Mapping[str, Any]) -> None:
        self.cast, self.change, self.round = cast, cast.change, round_
        self.request = request
        self.second = int(cast.second)
        self.traits = cast.population.second if cast.second else cast.population.reviewer
        self.first_look = all(key[0] != cast.second or key[1] == round_ for key in cast.passes)
        self.dispositions: list[dict[str, str]] = []
        self.blocking: list[dict[str, object]] = []
        self.aside: list[str] = []
        self.new: list[Defect] = []
        self.repairs = False

    def chance(self, share: float, *what: object) -> bool:
        return self.change.dice.chance(share, "review", self.second, self.round, *what)

    def report(self) -> dict[str, object]:
        """The whole report."""
        open_now = self.request.get("open_findings", [])
        known = {id(self.change.about(each["reason"])) for each in self._known()}
        if self.repairs and not self.chance(self.traits.complies, "complies", "asked again"):
            known -= {id(self.change.about(each["reason"])) for each in self._kept_in_this_round()}
        answers = {each["id"]: each["action"] for each in self.request.get("responses", [])}
        for finding in open_now:
            self._dispose(finding, answers.get(finding["id"], ""))
        key = (self.cast.second, self.round)
        if key not in self.cast.passes:
            self.cast.passes[key] = self.found() + self._false()
        found = [each for each in self.cast.passes[key] if id(each) not in known]
        prompted = self.cast.prompted and self.first_look
        cap = self.traits.first_cap if prompted else self.traits.cap
        for defect in sorted(found, key=lambda each: each.severity != "high")[:cap]:
            self._raise(defect)
        still = [each for each in self.dispositions if each["status"] in {"not_fixed", "upheld"}]
        wrong = bool(self.blocking or still)
        approves = not wrong or self.chance(self.traits.agrees, "agrees")
        if self.repairs and still and approves:
            approves = self.chance(self.traits.insists, "insists")
            for each in still if approves else ():
                each["status"] = "fixed"
        return self._approval() if approves else self._rejection(still)

    def further_pass(self, number: int) -> dict[str, object]:
        """What another look finds that is severe and was not reported before."""
        key = (self.cast.second, self.round, number)
        if key not in self.cast.further:
            self.cast.further[key] = self._severe(number)
        reported = self.request["further_pass"]["reported"]
        known = {id(self.change.about(each["reason"])) for each in (*self._known(), *reported)}
        found = [each for each in self.cast.further[key] if id(each) not in known]
        for defect in found[: self.traits.first_cap]:
            self._raise(defect)
        for issue in self.blocking:
            issue["severity"] = "high"
        self.cast.reported += [(self.round, each.origin, not each.false) for each in self.new]
        decision = "changes_required" if self.blocking else "approve"
        return {"decision": decision, "blocking_issues": self.blocking}

    def _severe(self, number: int) -> list[Defect]:
        """What this pass sees, with luck of its own; a false finding is severe less often."""
        found = []
        for defect in self.change.live():
            sees = self.chance(self._recall(), "further", number, defect.number)
            counts = self._severity(defect) == "high" or defect.criterion
            if defect.seen_by[self.second] and sees and counts:
                found.append(defect)
        false = min(self.traits.false, self.traits.verdict_first) * self.traits.high_other
        if self.chance(false, "further false", number):
            found.append(self.change.add(self.change.last_changed(), false=True))
        return found

    def _known(self) -> Iterable[Mapping[str, Any]]:
        return (*self.request.get("open_findings", ()), *self.request.get("later", ()))

    def _kept_in_this_round(self) -> Iterable[Mapping[str, Any]]:
        later = self.request.get("later", ())
        return (each for each in later if each["round"] == self.round)

    def _approval(self) -> dict[str, object]:
        closed = [each for each in self.dispositions if each["status"] in {"fixed", "withdrawn"}]
        named = {each["id"] for each in closed}
        open_now = [each["id"] for each in self.request.get("open_findings", [])]
        self.cast.undisposed = tuple(id_ for id_ in open_now if id_ not in named)
        if self.cast.on_word:
            closed += [{"id": id_, "status": "fixed"} for id_ in self.cast.undisposed]
        return {
            "decision": "approve",
            "dispositions": closed,
            "non_blocking_suggestions": [*self.aside, *(str(b["reason"]) for b in self.blocking)],
            "criteria": [{"id": "C1", "met": True, "evidence": "test_c1 passes"}],
            "files_examined": [place(n + 1) for n, lines in enumerate(self.change.lines) if lines],
        }

    def _rejection(self, still: list[dict[str, str]]) -> dict[str, object]:
        self.cast.carried.append((self.round, len(self.new), len(still)))
        for defect in self.new:
            self.cast.reported.append((self.round, defect.origin, not defect.false))
        unmet = any(each["criterion"] for each in self.blocking)
        return {
            "decision": "changes_required",
            "dispositions": self.dispositions,
            "blocking_issues": self.blocking,
            "non_blocking_suggestions": self.aside,
            "criteria": [{"id": "C1", "met": not unmet, "evidence": "read"}],
            "files_examined": [place(n + 1) for n, lines in enumerate(self.change.lines) if lines],
        }

    def _dispose(self, finding: Mapping[str, Any], answer: str) -> None:
        """Judge one open finding, or forget it, or report it again in other words."""
        id_, defect = finding["id"], self.change.about(finding["reason"])
        if not self.repairs and self.chance(self.traits.forgets, "forgets", id_):
            return
        status = self._status(defect, answer)
        again = not self.repairs and self.chance(self.traits.restates, "again", id_)
        if status == "not_fixed" and defect and again:
            self._raise(defect)
            return
        self.dispositions.append({"id": id_, "status": status, "note": "read the code"})

    def _status(self, defect: Defect | None, answer: str) -> str:
        if defect is None:
            return "fixed"
        if answer == "disputed":
            withdraws = self.traits.withdraws_false if defect.false else self.traits.withdraws_real
            withdraws *= 1 if defect.disputed < 2 else self.traits.yields
            return "withdrawn" if self.chance(withdraws, "withdraws", defect.number) else "upheld"
        seen = self.traits.sees_unfixed if defect.open else self.traits.doubts_fixed
        return "not_fixed" if self.chance(seen, "looks", defect.number) else "fixed"

    def _recall(self) -> float:
        """The share of the defects that it can see which one pass finds."""
        boasted = self.request.get("worker_notes", "").startswith("All is fixed")
        left = self.traits.claims_last if self.cast.prompted else self.traits.after_boast
        return self.traits.recall * (left if boasted else 1)

    def found(self) -> list[Defect]:
        """The defects that this pass finds."""
        share = self._recall()
        found = []
        for defect in self.change.live():
            seen_before = not self.first_look and self.round != defect.origin
            late = self.traits.late if seen_before else 1
            if defect.seen_by[self.second] and self.chance(share * late, "sees", defect.number):
                found.append(defect)
        return found

    def _false(self) -> list[Defect]:
        """What is said to be wrong and is not; a fix that is to be reversed among it."""
        made = []
        most = self.traits.verdict_first if self.cast.prompted else 1
        if self.chance(min(self.traits.false, most), "false"):
            rng = self.change.dice.of("false place", self.second, self.round)
            where = rng.choices((self.change.last_changed(), 1, 0), (0.5, 0.4, 0.1))[0]
            nowhere = NOWHERE if rng.random() < self.traits.nowhere else ""
            made.append(self.change.add(where, false=True, file=nowhere))
        if self.round > 1 and self.chance(self.traits.reverses, "reverses"):
            made.append(self.change.add(self.change.last_changed(), false=True))
            made[-1].reversal = True
        return made

    def _raise(self, defect: Defect) -> None:
        """Report it: as blocking, or beside it where the bar is known and followed."""
        defect.severity = self._severity(defect)
        reason = self.change.say(defect, self.round)
        if self._is_below_bar(defect) and self.chance(self.traits.complies, "complies"):
            self.aside.append(reason)
            return
        self.new.append(defect)
        self.blocking.append(
            {
                "severity": defect.severity,
                "file": defect.file,
                "line": defect.line,
                "reason": reason,
                "required_change": "Handle it.",
                "scenario": f"call {defect.number} fails",
                "criterion": defect.criterion,
            }
        )

    def _severity(self, defect: Defect) -> Severity:
        """What it calls this; the same each time."""
        rng = self.change.dice.of("severity", defect.number)
        high = self.traits.high_production if defect.production else self.traits.high_other
        other: Severity = "low" if rng.random() < self.traits.low else "medium"
        return "high" if rng.random() < high else other

    def _is_below_bar(self, defect: Defect) -> bool:
        """Whether the bar in the request keeps it from blocking."""
        bar = self.cast.state().limits.rules.bar
        if not bar.enabled:
            return False
        conditions = bar.first_round if self.round == 1 else _cell(defect, self.round, bar)
        met = {"any", defect.severity, *(["criterion"] if defect.criterion else [])}
        return met.isdisjoint(conditions)


def _cell(defect: Defect, round_: int, bar: Bar) -> tuple[Condition, ...]:
    """What it needs to block in this round, by where it is."""
    if defect.file == NOWHERE:
        return bar.nowhere
    if not defect.origin:
        return bar.pre_existing
    return last_fix(bar, round_) if defect.origin == round_ else bar.older_work


def _answers(listed: Iterable[Mapping[str, Any]], action: str) -> list[dict[str, str]]:
    return [{"id": each["id"], "action": action, "evidence": "see the diff"} for each in listed]


def _code(round_: int, lines: int) -> bytes:
    return b"".join(b"line %d of %d\n" % (number, round_) for number in range(lines))


def mean(values: Iterable[float]) -> float:
    """The mean, or NaN of nothing."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else math.nan
