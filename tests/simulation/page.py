"""Writes docs/convergence.md: what was computed, in tables, with what the numbers cannot tell."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tests.simulation import traits
from tests.simulation.calibration import TARGETS
from tests.simulation.outcomes import Outcomes, of_population
from tests.simulation.populations import FIELD, POPULATIONS
from tests.simulation.reach import ceilings, fewest, kept, losses, lost_most
from tests.simulation.report import QUICK, ROUNDS, Compared, Report
from tests.simulation.statistics import Estimate, resampled
from tests.simulation.tables import short, table
from tests.simulation.toy import ToyOutcomes

QUICK_BEGIN, QUICK_END = "<!-- quick -->", "<!-- end -->"
TEXT = Path(__file__).with_name("page.md")
"""The page without its tables: `{name}` is where each of them is."""

TRAITS = (traits.Task, traits.WorkerTraits, traits.ReviewerTraits, traits.Infrastructure)


def write(page: Path, report: Report, quick: Compared) -> None:
    """Write the page; `quick` is the same on so few loops that a test can run them."""
    tables = {
        "calibration": calibration(report),
        "targets": targets(report),
        "ceiling": ceilings(report),
        "fewest": fewest(report),
        "kept": kept(report),
        "losses": losses(report),
        "lost_most": lost_most(report),
        "toy": toys(report),
        "behind": behind(_toy_rows(report)),
        **{f"policies_{n}": policies(report.policies[n]) for n in ROUNDS},
        "populations": populations(report),
        **{f"ablation_{n}": policies(report.ablation[n]) for n in ROUNDS},
        "settings": settings(report),
        "sweep": sweep(report),
        "parameters": parameters(),
        "people": people(),
        "scale": scale(report),
        "quick": f"{QUICK_BEGIN}\n\n{quick_table(quick)}\n\n{QUICK_END}",
    }
    text = TEXT.read_text("utf-8")
    for name, part in tables.items():
        text = text.replace(f"{{{name}}}", part)
    page.write_text(text, "utf-8")


def calibration(report: Report) -> str:
    """The numbers of the field beside those of the simulation."""
    rows = []
    for target in TARGETS:
        found = resampled(target.of(report.field), target.measure)
        is_share = target.high <= 1
        shown = found.percent() if is_share else found.number()
        ends = (target.low, target.high)
        bounds = [f"{100 * end:.0f}" if is_share else f"{end:g}" for end in ends]
        within = "yes" if target.low <= found.value <= target.high else "no"
        allowed = f"{bounds[0]} to {bounds[1]}{' %' if is_share else ''}"
        cells = (target.what, target.field, target.source, target.populations[0], shown)
        rows.append([*cells, allowed, within])
    head = ("what", "field", "log", "loops", "simulated", "allowed", "within")
    return table(head, rows)


def policies(compared: Iterable[Outcomes]) -> str:
    """One line for each policy."""
    head = (
        *("policy", "right approvals", "false approvals", "approvals that hide a blocker"),
        *(
            "one that a careful review finds",
            "approvals with an open finding",
            "stops",
            "false stops",
            "rounds",
            "calls",
        ),
        *("calls where nothing can succeed", "growth"),
    )
    return table(head, (_policy(each) for each in compared))


def _policy(each: Outcomes) -> list[str]:
    shares = (each.right_approvals, each.false_approvals, each.hidden, each.audited, each.ignored)
    ends = (each.stops, each.wrong_stops)
    costs = (each.rounds, each.calls, each.wasted_calls, each.growth)
    return [
        each.policy,
        *(share.percent() for share in (*shares, *ends)),
        *(cost.number() for cost in costs),
    ]


def populations(report: Report) -> str:
    """Max-rounds and our rules at ten rounds, population by population."""
    before, after = report.policies[10][0], report.policies[10][2]
    rows = []
    for population in POPULATIONS:
        pair = [of_population(each, population.name) for each in (before, after)]
        measures = (
            [each.right_approvals.percent() for each in pair],
            [each.false_approvals.percent() for each in pair],
            ["–", pair[1].wrong_stops.percent()],
            [each.calls.number() for each in pair],
            [each.growth.number() for each in pair],
        )
        rows += [
            [population.name, name, *(measure[n] for measure in measures)]
            for n, name in enumerate(("max-rounds", "ours"))
        ]
    head = ("population", "policy", "right approvals", "false approvals", "false stops")
    return table((*head, "calls", "growth"), rows)


def settings(report: Report) -> str:
    """What each other setting reaches of the targets, beside the defaults."""
    rows = [
        [
            "the defaults" if n == 1 else report.settings[3][n].policy,
            *(cell for rounds in ROUNDS for cell in _reached(report.settings[rounds], n)),
        ]
        for n in range(1, len(report.settings[3]))
    ]
    measures = (
        "right approvals",
        "hide a blocker",
        "false stops",
        "calls where nothing can succeed",
    )
    head = (f"{measure}, {n} rounds" for n in ROUNDS for measure in measures)
    return table(("setting", *head), rows)


def _reached(compared: Sequence[Outcomes], number: int) -> tuple[str, str, str, str]:
    before, after = compared[0], compared[number]
    return (
        f"{after.right_approvals.value / before.right_approvals.value:.2f} x",
        f"{short(after.hidden)} after {short(before.hidden)}",
        short(after.wrong_stops),
        f"{after.wasted_calls.value / before.wasted_calls.value:.2f} x",
    )


def toys(report: Report) -> str:
    """The engine beside the toy, in what the targets are about."""
    head = (f"{what}, {n} rounds" for n in ROUNDS for what in ("toy", "engine"))
    return table(("measure", *head), _toy_rows(report))


def _toy_rows(report: Report) -> list[list[str]]:
    return [
        [name, *(cell for n in ROUNDS for cell in (of_toy(report.toy[n]), of_engine(report, n)))]
        for name, of_toy, of_engine in _MEASURES
    ]


def behind(rows: Iterable[Sequence[str]]) -> str:
    """In what the engine does worse than the toy, given the rows of their table."""
    lines = []
    for name, *cells in rows:
        pairs = zip(ROUNDS, cells[::2], cells[1::2], strict=True)
        worse = [
            f"{engine} instead of {toy} at {n} rounds"
            for n, toy, engine in pairs
            if _is_worse(name, _number(toy), _number(engine))
        ]
        lines += [f"- {name}: {', '.join(worse)}"] if worse else []
    return "\n".join(lines)


def _is_worse(name: str, toy: float, engine: float) -> bool:
    return engine < toy if name.startswith("right approvals") else engine > toy


def _number(cell: str) -> float:
    return float(cell.split(maxsplit=1)[0])


def _ratio(after: Estimate, before: Estimate) -> str:
    return f"{after.value / before.value:.2f} x"


_MEASURES: tuple[
    tuple[str, Callable[[tuple[ToyOutcomes, ...]], str], Callable[[Report, int], str]], ...
] = (
    (
        "right approvals, max-rounds",
        lambda toy: short(toy[0].right_approvals),
        lambda report, n: short(report.policies[n][0].right_approvals),
    ),
    (
        "right approvals, rules",
        lambda toy: short(toy[1].right_approvals),
        lambda report, n: short(report.policies[n][2].right_approvals),
    ),
    (
        "right approvals, beside max-rounds",
        lambda toy: _ratio(toy[1].right_approvals, toy[0].right_approvals),
        lambda report, n: _ratio(*(report.policies[n][k].right_approvals for k in (2, 0))),
    ),
    (
        "a careful review finds a blocker, rules",
        lambda toy: _ratio(toy[1].audited, toy[0].audited),
        lambda report, n: _ratio(*(report.policies[n][k].audited for k in (2, 0))),
    ),
    (
        "the same, with a second reviewer",
        lambda toy: _ratio(toy[2].audited, toy[0].audited),
        lambda report, n: _ratio(*(report.policies[n][k].audited for k in (3, 0))),
    ),
    (
        "false stops",
        lambda toy: short(toy[1].wrong_stops),
        lambda report, n: short(report.policies[n][2].wrong_stops),
    ),
    (
        "calls where nothing can succeed",
        lambda toy: _ratio(toy[1].wasted_calls, toy[0].wasted_calls),
        lambda report, n: _ratio(*(report.policies[n][k].wasted_calls for k in (2, 0))),
    ),
)


def targets(report: Report) -> str:
    """What was to be reached, and what is."""
    return table(
        ("target", *(f"against max-rounds {n}" for n in ROUNDS)),
        [
            [name, *(reached for _, reached in (measure(report, n) for n in ROUNDS))]
            for name, measure in _TARGETS
        ],
    )


def _verdict(text: str, reached: bool) -> tuple[bool, str]:
    return reached, f"{text}: {'reached' if reached else 'not reached'}"


def _pair(report: Report, rounds: int) -> tuple[Outcomes, Outcomes]:
    return report.policies[rounds][0], report.policies[rounds][2]


def _no_open(report: Report, rounds: int) -> tuple[bool, str]:
    found = sum(loop.ignored > 0 for loop in _pair(report, rounds)[1].approvals)
    return _verdict(f"{found} of {len(_pair(report, rounds)[1].approvals)}", found == 0)


def _half_again(report: Report, rounds: int) -> tuple[bool, str]:
    before, after = (each.right_approvals.value for each in _pair(report, rounds))
    return _verdict(f"{after / before:.2f} x", after >= 1.5 * before)


def _half_again_of_peer(report: Report, rounds: int) -> tuple[bool, str]:
    before, after = (report.policies[rounds][n].right_approvals.value for n in (-1, 2))
    return _verdict(f"{after / before:.2f} x", after >= 1.5 * before)


def _half_again_clean(report: Report, rounds: int) -> tuple[bool, str]:
    before, after = (each.clean_approvals.value for each in _pair(report, rounds))
    return _verdict(f"{after / before:.2f} x", after >= 1.5 * before)


def _not_higher(report: Report, rounds: int) -> tuple[bool, str]:
    before, after = (each.hidden for each in _pair(report, rounds))
    text = f"{short(after)} after {short(before)}"
    return _verdict(text, after.low <= before.value)


def _false_stops(report: Report, rounds: int) -> tuple[bool, str]:
    found = _pair(report, rounds)[1].wrong_stops
    return _verdict(short(found), found.value < 0.02)


def _calls(report: Report, rounds: int) -> tuple[bool, str]:
    before, after = (each.wasted_calls.value for each in _pair(report, rounds))
    return _verdict(f"{after / before:.2f} x", after <= 0.5 * before)


def _half_of_all_hidden(report: Report, rounds: int) -> tuple[bool, str]:
    before, after = (report.policies[rounds][n].hidden for n in (0, 3))
    return _verdict(f"{short(after)} after {short(before)}", after.value <= before.value / 2)


def _half_hidden(report: Report, rounds: int) -> tuple[bool, str]:
    before, after = (report.policies[rounds][n].audited for n in (0, 3))
    return _verdict(f"{short(after)} after {short(before)}", after.value <= before.value / 2)


_TARGETS = (
    ("no approval with a recorded open finding", _no_open),
    ("right approvals at least 1.5 x", _half_again),
    ("right approvals that leave no recorded finding open at least 1.5 x", _half_again_clean),
    ("right approvals at least 1.5 x those of agent-task-runner itself", _half_again_of_peer),
    ("approvals that hide a blocker not more frequent", _not_higher),
    ("at most half as frequent with a second reviewer", _half_of_all_hidden),
    ("such that a careful review finds at most half with a second reviewer", _half_hidden),
    ("false stops under 2 % of all loops", _false_stops),
    ("calls on loops that cannot succeed at most 0.5 x", _calls),
)


def sweep(report: Report) -> str:
    """What each assumption changes."""
    rows = []
    for assumption, before, after in report.sweep:
        found = [before.right_approvals, after.right_approvals, before.hidden, after.hidden]
        cells = [each.percent() for each in (*found, after.wrong_stops)]
        calls = f"{after.wasted_calls.value / before.wasted_calls.value:.2f} x"
        rows.append([f"`{assumption.name}` = {assumption.value:g}", *cells, calls])
    head = (
        *("assumption", "right approvals, max-rounds", "ours", "hidden, max-rounds", "ours"),
        *("false stops", "calls where nothing can succeed"),
    )
    return table(head, rows)


def parameters() -> str:
    """Every parameter with its typical value and its source, as the code has them."""
    rows = []
    for kind in TRAITS:
        for name, value, about in _fields(kind):
            rows.append([kind.__name__.removesuffix("Traits").lower(), f"`{name}`", value, about])
    return table(("of", "parameter", "value", "what it is"), rows)


def _fields(kind: type) -> Iterator[tuple[str, str, str]]:
    body = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, about in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(about, ast.Expr):
            assert field.value is not None
            text = " ".join(str(ast.literal_eval(about.value)).split())
            yield ast.unparse(field.target), ast.unparse(field.value), text


def people() -> str:
    """The populations: what differs from the typical values."""
    rows = [[each.name, each.about, _differences(each)] for each in (*POPULATIONS, *FIELD)]
    return table(("population", "what it is", "what differs"), rows)


def _differences(population: traits.Population) -> str:
    found = []
    for part in ("task", "worker", "reviewer", "infrastructure"):
        has = getattr(population, part)
        typical = type(has)()
        names = (name for name in vars(has) if getattr(has, name) != getattr(typical, name))
        found += [f"`{name}` {getattr(has, name):g}" for name in names]
    return ", ".join(found) or "nothing"


def scale(report: Report) -> str:
    """How many loops there were."""
    sizes = report.scale
    return (
        f"{sizes.policies} loops of the mixture for each policy, {sizes.calibration} for the"
        f" calibration, {sizes.ablation} without each rule and under each other setting, and"
        f" {sizes.sweep} for each assumption"
    )


def quick_table(quick: Compared) -> str:
    """The few loops that a test runs again."""
    rows = []
    for each in (each for n in ROUNDS for each in quick[n]):
        right, stopped = (
            sum(one.approved and one.is_right for one in each.loops),
            sum(one.stopped for one in each.loops),
        )
        counts = (len(each.approvals), right, stopped, sum(one.calls for one in each.loops))
        rows.append([each.policy, *map(str, counts)])
    head = f"policy, {QUICK} loops"
    return table((head, "approvals", "right", "stops", "calls"), rows)
