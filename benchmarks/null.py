"""python -m benchmarks.null: how often the intervals, the tests and the advice of the product are wrong.

Simulated learners, whose true scores are known, are run on simulated data sets (`benchmarks.null_learners`), and judged
by the product's own functions. Prints Markdown tables, each with the command that gives it.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks.null_alternatives import ALTERNATIVES, draw_studies, measure_alternatives
from benchmarks.null_families import build_factorial_world, measure_claims, measure_factorials
from benchmarks.null_fits import measure_few_fits
from benchmarks.null_learners import SEED_NOISE, SHIFT, WEAKER, Scored, World
from benchmarks.null_power import TYPICAL, draw_pilots, find_distance, measure_advice
from benchmarks.null_rows import REPLICATES, Rate, build_cases, draw_runs, keep_first_fold, measure_rates
from tune_app.analysis.estimands import NEW_IMAGES, THESE_IMAGES, Source

LEARNERS = {"stable": 0.0, "noisy": SEED_NOISE, "very noisy": 3 * SEED_NOISE}
MINORITY = 0.2  # share of the smaller class where macro-F1 is scored
ABOUT = (NEW_IMAGES, THESE_IMAGES)  # in the order of the tables
SEED_SHARES = (0.0, 0.2, 0.5, 0.7, 0.9, 1.0)
FITS = (2, 3, 4, 5, 6, 8, 10)
DATA_SETS = 2000
Lines = Iterator[list[str]]  # the cells of each line of a table, the first being its head


def tabulate_contrasts(
    scored_on: Source, scored: Scored, designs: Sequence[tuple[int, ...]], data_sets: int, seed: int
) -> Lines:
    yield ["true effect", "speaks of", "K", "learners", *(f"R = {count}" for count in REPLICATES)]
    for effect, shifts in (("none", (SHIFT, SHIFT)), ("some", (SHIFT, WEAKER))):
        for folds in designs:
            for learner in ("stable", "noisy"):
                minority = MINORITY if scored == "macro-F1" else 0.5
                world = World(shifts, noise=LEARNERS[learner], minority=minority, scored=scored)
                runs = draw_runs(np.random.default_rng(seed), world, folds, scored_on, data_sets, max(REPLICATES))
                rates = measure_rates(build_cases(runs), scored_on)
                for about in ABOUT:
                    found = [_spell_rate(rates.get((about, count))) for count in REPLICATES]
                    if any(each != "–" for each in found):
                        yield [effect, about, " and ".join(map(str, folds)), learner, *found]


def _spell_rate(rate: Rate | None) -> str:
    if rate is None:
        return "–"
    coverage = f"{100 * rate.coverage:.1f}"
    return f"{coverage} / {100 * rate.found:.0f}" if rate.is_tested else f"({coverage})"


def tabulate_fewest(data_sets: int, seed: int) -> Lines:
    yield ["speaks of", "test images", "learners", "fits", *(f"J = {count}" for count in FITS)]
    for test_images in (200, 1000):
        for learner, noise in LEARNERS.items():
            world = World(noise=noise, test_images=test_images)
            rates = {}
            for count in FITS:
                runs = draw_runs(np.random.default_rng(seed), world, (count,), "test", data_sets, 1, 100)
                rates["one replicate of J folds", count] = measure_rates(build_cases(runs), "test", (1,))
            runs = draw_runs(np.random.default_rng(seed), world, (4,), "test", data_sets, max(FITS), 100)
            alone = measure_rates(map(keep_first_fold, build_cases(runs)), "test", FITS)
            for about in ABOUT:
                first = [f"{100 * rates['one replicate of J folds', count][about, 1].coverage:.1f}" for count in FITS]
                second = [f"{100 * alone[about, count].coverage:.1f}" for count in FITS]
                yield [about, str(test_images), learner, "one replicate of J folds", *first]
                yield [about, str(test_images), learner, "one fold of J replicates", *second]


def tabulate_factorials(data_sets: int, seed: int) -> Lines:
    yield ["scores", "speaks of", "K", "R", "effect", "coverage", "p < 0.05", "one wrong or more, Holm"]
    sources: dict[Source, tuple[tuple[int, int], ...]] = {
        "test": ((4, 1), (4, 3), (10, 1), (10, 3)),
        "held-out": ((4, 3), (10, 3)),
    }
    for scored_on, about, (folds, replicates) in (
        (scored_on, about, design) for scored_on, designs in sources.items() for about in ABOUT for design in designs
    ):
        world = build_factorial_world(WEAKER / 4, SEED_NOISE)
        runs = draw_runs(np.random.default_rng(seed), world, (folds,), scored_on, data_sets, replicates, 400, [about])
        for family, rate in measure_factorials(runs, scored_on, about, replicates).items():
            shares = [f"{share:.1%}" for share in (rate.coverage, rate.found, rate.wrong)]
            yield [scored_on, about, str(folds), str(replicates), family, *shares]


def tabulate_claims(data_sets: int, seed: int) -> Lines:
    yield ["speaks of", "claims", "true", "K", "R", "one wrong or more", "the same without Holm", "true ones supported"]
    for about in ABOUT:
        for claims, true in ((1, 0), (5, 0), (5, 3), (16, 0), (16, 8)):
            world = World((SHIFT,) * (claims + 1), tuple((i,) for i in range(claims + 1)), SEED_NOISE)
            for folds, replicates in ((4, 1), (10, 3)):
                runs = draw_runs(
                    np.random.default_rng(seed), world, (folds,), "test", data_sets, replicates, 200, [about]
                )
                rate = measure_claims(runs, "test", about, replicates, true)
                shares = [rate.wrong, rate.wrong_unadjusted, rate.supported]
                spelt = ["–" if math.isnan(share) else f"{share:.1%}" for share in shares]
                yield [about, str(claims), str(true), str(folds), str(replicates), *spelt]


def tabulate_advice(data_sets: int, seed: int) -> Lines:
    yield ["speaks of", "learners", "K", "pilot R", "asked", "power", "advised R (quartiles)", "above 40"]
    for about, learner, test_images, folds, enough in (
        (NEW_IMAGES, "very noisy", 3000, 4, 4),
        (NEW_IMAGES, "very noisy", 3000, 10, 2),
        (THESE_IMAGES, "noisy", 200, 4, 6),
        (THESE_IMAGES, "noisy", 200, 10, 4),
    ):
        world = World(noise=LEARNERS[learner], test_images=test_images)
        typical = draw_pilots(np.random.default_rng(seed + 1), world, folds, "test", about, TYPICAL)
        distance = find_distance(typical, "test", about, enough)
        for pilot in (1, 3):
            pairs = draw_pilots(np.random.default_rng(seed), world, folds, "test", about, data_sets)
            for advice in measure_advice(pairs, "test", about, pilot, distance):
                quartiles = ", ".join(f"{count:.0f}" if count < math.inf else "none" for count in advice.quartiles)
                shares = f"{advice.target:.0%}", f"{advice.power:.1%}", quartiles, f"{advice.above:.0%}"
                yield [about, learner, str(folds), str(pilot), *shares]


def tabulate_few_fits(draws: int, seed: int) -> Lines:
    yield ["interaction", "J", "degrees of freedom", *(f"seeds {share:.0%}" for share in SEED_SHARES)]
    for interaction in (0.02, 0.2, 1.0):
        for count in (2, 3, 4, 5, 6, 8):
            rates = [measure_few_fits(count, share, interaction, draws, seed) for share in SEED_SHARES]
            start = [f"{interaction / (1 + interaction):.0%}", str(count)]
            yield [*start, "the product's", *(f"{100 * rate.product:.1f}" for rate in rates)]
            yield [*start, "more careful", *(f"{100 * rate.careful:.1f}" for rate in rates)]


def tabulate_alternatives(data_sets: int, seed: int) -> Lines:
    yield ["scores", "learners", "K", "interval", "taken to speak of", *(f"R = {count}" for count in REPLICATES)]
    for scored_on, intervals in ALTERNATIVES.items():
        for learner in ("stable", "noisy"):
            for folds in (4, 10):
                world, source = World(noise=LEARNERS[learner]), np.random.default_rng(seed)
                studies = draw_studies(source, world, folds, scored_on, data_sets, max(REPLICATES))
                rates = measure_alternatives(studies, scored_on, REPLICATES)
                for name, about in ((name, about) for name, (_, abouts) in intervals.items() for about in abouts):
                    found = [rates.get((name, about, count)) for count in REPLICATES]
                    spelt = ["–" if rate is None else f"{100 * rate:.1f}" for rate in found]
                    yield [scored_on, learner, str(folds), name, about, *spelt]


DESIGNS = ((4,), (10,))
PARTS: dict[str, tuple[str, Callable[[int, int], Lines], int]] = {
    "test-accuracy": (
        "Accuracy on a common test set, paired",
        lambda *given: tabulate_contrasts("test", "accuracy", DESIGNS, *given),
        1,
    ),
    "test-macro-f1": (
        "Macro-F1 on a common test set, paired",
        lambda *given: tabulate_contrasts("test", "macro-F1", DESIGNS, *given),
        1,
    ),
    "unpaired": (
        "Accuracy on a common test set, unpaired: 4 folds against 10",
        lambda *given: tabulate_contrasts("test", "accuracy", [(4, 10)], *given),
        1,
    ),
    "held-out-accuracy": (
        "Accuracy on the held-out fold, paired",
        lambda *given: tabulate_contrasts("held-out", "accuracy", DESIGNS, *given),
        1,
    ),
    "held-out-macro-f1": (
        "Macro-F1 on the held-out fold, paired",
        lambda *given: tabulate_contrasts("held-out", "macro-F1", DESIGNS, *given),
        1,
    ),
    "held-out-unpaired": (
        "Accuracy on the held-out fold, unpaired: 4 folds against 10",
        lambda *given: tabulate_contrasts("held-out", "accuracy", [(4, 10)], *given),
        1,
    ),
    "fewest": ("Coverage with few fits", tabulate_fewest, 1),
    "few-fits": ("Coverage with few fits, by what the error is made of", tabulate_few_fits, 1),
    "alternatives": ("Coverage of other intervals", tabulate_alternatives, 2),
    "factorials": ("Factorials of two components", tabulate_factorials, 1),
    "claims": ("Families of claims", tabulate_claims, 1),
    "advice": ("Power of the advised replicates", tabulate_advice, 2),
}


def print_part(name: str, data_sets: int | None, seed: int) -> None:
    """The Markdown of one part, line by line as it is found, with the command that gives it."""
    title, tabulate, share = PARTS[name]
    count = data_sets or DATA_SETS // share
    command = f"python -m benchmarks.null --rows {name} --data-sets {count} --seed {seed}"
    sys.stdout.write(f"### {title}\n`{command}`\n\n")
    for number, cells in enumerate(tabulate(count, seed)):
        lines = [cells, ["---"] * len(cells)] if number == 0 else [cells]
        sys.stdout.writelines(f"| {' | '.join(line)} |\n" for line in lines)
        sys.stdout.flush()
    sys.stdout.write("\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.null", description="Error rates, by simulation.")
    parser.add_argument("--rows", choices=PARTS, nargs="+", default=list(PARTS), help="parts to run; all if left out")
    parser.add_argument("--data-sets", type=int, help=f"a line; {DATA_SETS} if left out, fewer in slow parts")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    for name in options.rows:
        start = time.perf_counter()
        print_part(name, options.data_sets, options.seed)
        sys.stderr.write(f"{name}: {time.perf_counter() - start:.0f} s\n")


if __name__ == "__main__":
    main()
