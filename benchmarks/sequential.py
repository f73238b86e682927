"""python -m benchmarks.sequential [trials] [seed]: error, power and cost of running until it is decided.

Simulated studies: several learners against one baseline, each contrast with a claim of its own. Scores are drawn, per
image (a sum of what the learner, the image, the fit and both together add) or per replicate; tests, looks and verdicts
are the product's. A study is looked at after three replicates and so on up to 30, each claim until it is decided or
futile. The error is the share of studies with one wrong verdict or more over all looks and claims. A claim that is
true or false by nothing at all (its effect is at the edge) is wrongly decided either way. Prints a Markdown table.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from tune_app.analysis.estimands import Sample, infer
from tune_app.analysis.looks import SPENDING, UNDECIDED, ClaimPath, Looks, Observed
from tune_app.analysis.power import Region
from tune_app.analysis.sequential import Spending, build_repeated_interval
from tune_app.analysis.t_tests import LEVEL, TTest
from tune_app.analysis.verdicts import find_decision_p_value, find_error_rates

IMAGES, FOLDS = 100, 4
FIRST, MOST = 3, 30
IMAGE_SPREAD, FIT_SPREAD, CELL_SPREAD = 0.05, 0.02, 0.3  # of one learner's score of an image, of a fit, of a cell
REPLICATE_SPREAD = 1.0
FIXED = (3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
SAME = 1e-9
Kind = Literal["images", "replicates"]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """`effects` are the claims' true ones, in units of the spread of one replicate's difference."""

    name: str
    kind: Kind
    region: Region
    effects: tuple[float, ...]


def judge(region: Region, interval: Region) -> str:
    """Where the interval lies: inside the region, outside it, or across its edge."""
    if region[0] < interval[0] and interval[1] < region[1]:
        return "inside"
    return "outside" if interval[1] < region[0] or interval[0] > region[1] else UNDECIDED


def find_spread(kind: Kind) -> float:
    """Of one replicate's difference, given the images."""
    if kind == "replicates":
        return float(np.sqrt(2) * REPLICATE_SPREAD)
    return float(np.sqrt(2 * (FIT_SPREAD**2 + CELL_SPREAD**2 / IMAGES) / FOLDS))


def draw_tests(source: np.random.Generator, setting: Setting) -> list[Callable[[int], TTest]]:
    """For each claim of one study what its test is after so many replicates."""
    fits, claims = MOST * FOLDS, len(setting.effects)
    scale = find_spread(setting.kind)
    if setting.kind == "replicates":
        scores = source.normal(0, REPLICATE_SPREAD, (claims + 1, MOST, 1))
        drawn = [Sample(scores[c + 1] - scores[0] + scale * effect) for c, effect in enumerate(setting.effects)]
        return [partial(_cut, sample) for sample in drawn]
    cells = source.normal(0, CELL_SPREAD, (claims + 1, fits, IMAGES))
    cells += source.normal(0, IMAGE_SPREAD, (claims + 1, 1, IMAGES))
    cells += source.normal(0, FIT_SPREAD, (claims + 1, fits, 1))
    samples = []
    for claim, effect in enumerate(setting.effects):
        difference = cells[claim + 1] - cells[0] + scale * effect
        samples.append(Sample(difference.mean(axis=1).reshape(MOST, FOLDS), difference))
    return [partial(_cut, sample) for sample in samples]


def _cut(sample: Sample, replicates: int) -> TTest:
    """The product's test of the first replicates."""
    cells = None if sample.cells is None else sample.cells[: replicates * FOLDS]
    cut = Sample(sample.scores[:replicates], cells)
    test = infer([cut], "held-out" if cells is None else "test", wants_new_images=True).test
    if test is None:
        raise ValueError(f"{replicates} replicates give no test")
    return test


@dataclass(frozen=True)
class Decided:
    """The verdicts of one study, and how many replicates each claim took."""

    verdicts: tuple[str, ...]
    replicates: tuple[int, ...]


def run_looks(tests: Sequence[Callable[[int], TTest]], region: Region, spending: Spending = SPENDING) -> Decided:
    """By the product's looks."""
    names = [f"claim {number}" for number in range(len(tests))]
    looks = Looks("simulated", FIRST, MOST, tuple(ClaimPath(name, "claims") for name in names), spending)
    for count in looks.schedule.looks:
        states = {path.sentence: path.state for path in looks.paths}
        looks = looks.take(
            {
                name: Observed(test(count), region, count, partial(judge, region))
                for name, test in zip(names, tests, strict=True)
                if states[name] == "open"
            }
        )
    return Decided(
        tuple(path.verdict for path in looks.paths), tuple(path.looks[-1].replicates for path in looks.paths)
    )


def run_fixed(tests: Sequence[Callable[[int], TTest]], region: Region, replicates: int) -> Decided:
    """By Holm over the claims, looked at once."""
    found = [test(replicates) for test in tests]
    rates = find_error_rates([find_decision_p_value(test, region) for test in found])
    verdicts = [judge(region, test.build_interval(1 - rate)) for test, rate in zip(found, rates, strict=True)]
    return Decided(tuple(verdicts), (replicates,) * len(found))


def run_unadjusted(tests: Sequence[Callable[[int], TTest]], region: Region) -> Decided:
    """By Holm at each look as if it were the only one."""
    verdicts, counts = [UNDECIDED] * len(tests), [MOST] * len(tests)
    for count in Looks("simulated", FIRST, MOST, ()).schedule.looks:
        for claim, verdict in enumerate(run_fixed(tests, region, count).verdicts):
            if verdicts[claim] == UNDECIDED and verdict != UNDECIDED:
                verdicts[claim], counts[claim] = verdict, count
    return Decided(tuple(verdicts), tuple(counts))


def run_sequence(tests: Sequence[Callable[[int], TTest]], region: Region) -> Decided:
    """By a confidence sequence per claim, Bonferroni between them, which holds at any number of looks.

    The normal mixture (Robbins 1970, Howard et al. 2021, section 3.2), tightest after 10 replicates, with each p put
    through the test's own t.
    """
    level = (1 - LEVEL) / len(tests)
    tuning = optimize.brentq(lambda r: r * np.expm1(-2 * np.log(level) - np.log1p(1 / r)) - 1, 1e-4, 1.0)
    verdicts, counts = [UNDECIDED] * len(tests), [MOST] * len(tests)
    for count in Looks("simulated", FIRST, MOST, ()).schedule.looks:
        time_ratio = count / (10 * tuning)
        boundary = np.sqrt((1 + 1 / time_ratio) * (np.log1p(time_ratio) - 2 * np.log(level)))
        for claim, test in enumerate(tests):
            if verdicts[claim] == UNDECIDED:
                interval = build_repeated_interval(test(count), float(2 * stats.norm.sf(boundary)))
                if (verdict := judge(region, interval)) != UNDECIDED:
                    verdicts[claim], counts[claim] = verdict, count
    return Decided(tuple(verdicts), tuple(counts))


@dataclass(frozen=True)
class Rates:
    """Over studies: the error of the family, and over claims the share decided rightly and the mean replicates."""

    error: float
    power: float
    replicates: float


def find_truth(setting: Setting) -> list[str]:
    """The right verdict on each claim, empty for an effect at an edge."""
    low, high = (edge / find_spread(setting.kind) for edge in setting.region)
    return [
        "" if min(abs(effect - low), abs(effect - high)) < SAME else "inside" if low < effect < high else "outside"
        for effect in setting.effects
    ]


def summarise(decided: Sequence[Decided], setting: Setting) -> Rates:
    """The rates."""
    right = find_truth(setting)
    wrong = [any(v not in (UNDECIDED, r) for v, r in zip(each.verdicts, right, strict=True)) for each in decided]
    rightly = [v == r for each in decided for v, r in zip(each.verdicts, right, strict=True) if r]
    counts = [count for each in decided for count in each.replicates]
    return Rates(float(np.mean(wrong)), float(np.mean(rightly)) if rightly else float("nan"), float(np.mean(counts)))


def find_equal_fixed(fixed: Mapping[int, Rates], power: float) -> int | None:
    """The replicates for which the fixed design decides as often, None if not even the most do."""
    return next((replicates for replicates, rates in fixed.items() if rates.power >= power), None)


def list_settings() -> Iterator[Setting]:
    """At the null, at the edges, and with effects."""
    above: Region = (0.0, np.inf)
    for kind in ("images", "replicates"):
        unit = find_spread(kind)
        within: Region = (-unit, unit)
        yield Setting("one claim of `higher`, no effect", kind, above, (0.0,))
        yield Setting("five, no effect", kind, above, (0.0,) * 5)
        yield Setting("five of `equal`, at the edge", kind, within, (1.0,) * 5)
        yield Setting("five, two clear, three without", kind, above, (6.0, 6.0, 0.0, 0.0, 0.0))
        yield Setting("one, effect 0.7", kind, above, (0.7,))
        yield Setting("one, effect 1.5", kind, above, (1.5,))
        yield Setting("five, effects 0.7, 0.7, 1, 2, 4", kind, above, (0.7, 0.7, 1.0, 2.0, 4.0))
        yield Setting("five of `equal`, effects 0, 0, 0, 2, 3", kind, within, (0.0, 0.0, 0.0, 2.0, 3.0))


def run_setting(setting: Setting, trials: int, seed: int) -> str:
    """The row of the table."""
    has_power = any(find_truth(setting))
    counts = FIXED if has_power else ()
    ways: dict[str, Callable[[Sequence[Callable[[int], TTest]], Region], Decided]] = {
        "looks": run_looks,
        "late": partial(run_looks, spending="obrien-fleming"),
        "early": partial(run_looks, spending="pocock"),
        "unadjusted": run_unadjusted,
        "sequence": run_sequence,
    }
    found: dict[str | int, list[Decided]] = {way: [] for way in (*ways, *counts)}
    for trial in range(trials):
        drawn = draw_tests(np.random.default_rng([seed, trial]), setting)
        tests = [cache(test) for test in drawn]  # each number of replicates is tested once
        for way, run in ways.items():
            found[way].append(run(tests, setting.region))
        for count in counts:
            found[count].append(run_fixed(tests, setting.region, count))
    rates = {way: summarise(decided, setting) for way, decided in found.items()}
    looks, late, early, unadjusted, sequence = (rates[way] for way in ways)
    fixed = find_equal_fixed({count: rates[count] for count in counts}, looks.power)
    equal = "–" if not has_power else f"{fixed}" if fixed else f"> {MOST}"
    cells = [setting.kind, setting.name, *_spell(looks), equal, *_spell(late), *_spell(early), *_spell(sequence)]
    return f"| {' | '.join([*cells, f'{100 * unadjusted.error:.1f}%'])} |"


def _spell(rates: Rates) -> list[str]:
    power = "–" if np.isnan(rates.power) else f"{100 * rates.power:.1f}%"
    return [f"{100 * rates.error:.1f}%", power, f"{rates.replicates:.1f}"]


def main() -> None:
    """Print the table."""
    trials, seed = map(int, (*sys.argv[1:3], *("2000", "1")[len(sys.argv[1:3]) :]))
    begun = time.perf_counter()
    print(
        "| scores | claims | error over looks and claims | decided rightly | replicates | fixed design as powerful | "
        "O'Brien–Fleming: error | decided | replicates | Pocock: error | decided | replicates | "
        "confidence sequence: error | decided | replicates | "
        "unadjusted: error |"
    )
    print("| --- | --- | " + " | ".join(["---:"] * 14) + " |")
    for setting in list_settings():
        print(run_setting(setting, trials, seed), flush=True)
    print(f"\n`python -m benchmarks.sequential {trials} {seed}`, {time.perf_counter() - begun:.0f} s.")


if __name__ == "__main__":
    main()
