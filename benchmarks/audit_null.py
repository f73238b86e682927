"""python -m benchmarks.audit_null [--data-sets N] [--seed S]: what the audit's tests and shares are worth.

Prints two Markdown tables of simulated audits: how often an effect of a defect is shown, by the number of replicates,
without an effect and with one; and how often a share's interval holds the true share. Networks collapse in one of ten
replicates where it says so, to a fifth of the others' accuracy, as those tested without their batch-norm layer do.
"""

import argparse
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tune_app.analysis.audit.evidence import Effect
from tune_app.analysis.audit.shares import find_bootstrap_interval, find_fieller_interval

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Array]
REPLICATES = range(3, 11)
FAMILY = 8
DATA_SETS = 4_000
SOUND, WITHOUT, SPREAD = 0.98, 0.983, 0.0015  # means by sound protocol and without the defect, and their spread
FITS = 12  # by sound protocol


def draw_accuracies(source: np.random.Generator, count: int) -> Array:
    """Of networks of which one in ten collapses."""
    whole, collapsed = source.normal(0.92, 0.03, count), source.normal(0.2, 0.05, count)
    return np.where(source.random(count) < 0.1, collapsed, whole)


def draw_gains(source: np.random.Generator, count: int, mean: float) -> Array:
    """What taking a defect away gains, ten times as much where the network with it collapses."""
    gains: Array = mean + source.normal(0, 0.03, count) + np.where(source.random(count) < 0.1, 0.7, 0.0)
    return gains


EFFECTS: dict[str, Draw] = {
    "no effect, normal": lambda source, n: source.normal(0, 1, n),
    "no effect, networks collapse": lambda source, n: draw_accuracies(source, n) - draw_accuracies(source, n),
    "no effect on the mean, rare collapses outweigh the rest": lambda source, n: draw_gains(source, n, -0.07),
    "effect of one standard deviation, normal": lambda source, n: source.normal(1, 1, n),
    "effect of 1.5, Student's t with 3 df": lambda source, n: 1.5 + source.standard_t(3, n),
    "effect of 0.07, networks with the defect collapse": lambda source, n: draw_gains(source, n, 0.07),
    "effect of 0.07, networks of both sides collapse": lambda source, n: (
        0.07 + draw_accuracies(source, n) - draw_accuracies(source, n)
    ),
}


def find_rates(draw: Draw, replicates: int, data_sets: int, seed: int, rate: float) -> tuple[float, float]:
    """The share of data sets in which the effect is shown: by the audit's rule, and by the t-test alone."""
    source = np.random.default_rng(seed)
    shown = np.zeros(2)
    for _ in range(data_sets):
        values = draw(source, replicates)
        p_values = Effect(values, [values]).decide(rate).p_value, Effect(None, [values]).decide(rate).p_value
        shown += np.array(p_values) < rate
    by_rule, by_t = shown / data_sets
    return float(by_rule), float(by_t)


def find_coverage(collapse: bool, replicates: int, data_sets: int, seed: int) -> tuple[float, float, float]:
    """Of a share by both ways: how often Fieller's interval ends, and holds the truth if so; the bootstrap's holds."""
    source = np.random.default_rng(seed)
    mean = 0.9 if not collapse else 0.9 * 0.9 + 0.1 * 0.2
    truth = ((WITHOUT - mean) + (SOUND - 0.7)) / 2 / (SOUND - mean)
    held, ended, drawn, boots = 0, 0, 0, 0
    for _ in range(data_sets):
        whole = source.normal(0.9, 0.03, replicates)
        if collapse:
            whole = np.where(source.random(replicates) < 0.1, source.normal(0.2, 0.05, replicates), whole)
        without, sound = source.normal(WITHOUT, SPREAD, replicates), source.normal(SOUND, SPREAD, FITS)
        alone = source.normal(0.7, 0.2, FITS)
        blocks = [np.column_stack([(without - whole) / 2, -whole]), np.column_stack([(sound - alone) / 2, sound])]
        fieller, bootstrap = find_fieller_interval(blocks), find_bootstrap_interval(blocks)
        ended += fieller is not None
        held += fieller is not None and fieller[0] <= truth <= fieller[1]
        boots += bootstrap is not None
        drawn += bootstrap is not None and bootstrap[0] <= truth <= bootstrap[1]
    return ended / data_sets, held / max(1, ended), drawn / boots if boots else float("nan")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data-sets", type=int, default=DATA_SETS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    for rate, words in ((0.05, "5%"), (0.05 / FAMILY, f"5%/{FAMILY}, the first step of Holm over {FAMILY} verdicts")):
        print(f"\nShown at {words}: by the audit's rule (by the t-test alone)\n")
        print("| replicates | " + " | ".join(map(str, REPLICATES)) + " |\n" + "| --- " * (len(REPLICATES) + 1) + "|")
        for name, draw in EFFECTS.items():
            found = [find_rates(draw, n, options.data_sets, options.seed, rate) for n in REPLICATES]
            print(f"| {name} | " + " | ".join(f"{100 * a:.1f} ({100 * b:.1f})" for a, b in found) + " |", flush=True)
    print("\n| share of the gap | replicates | Fieller ends | holds, where it ends | bootstrap holds |")
    print("| --- " * 5 + "|")
    for collapse in (False, True):
        for replicates in (3, 6, 10):
            found_shares = find_coverage(collapse, replicates, max(1, options.data_sets // 4), options.seed)
            cells = " | ".join("–" if np.isnan(each) else f"{100 * each:.1f}%" for each in found_shares)
            print(f"| {'networks collapse' if collapse else 'normal'} | {replicates} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
