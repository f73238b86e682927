"""python -m benchmarks.sequential_error [draws] [seed]: how often looks at a claim without an effect decide it.

Replicate means are normal without a mean; after 3, 4, 6 … 30 of them their t-test has the p that the boundary of the
look asks for, or not. By kind of spending and by the error rate that the claim has: all of a family's 5%, a fifth, a
sixteenth. Prints a Markdown table.
"""

import sys
import time

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tune_app.analysis.sequential import PLANNED_LOOKS, Spending, find_nominal_p

SPENDINGS: tuple[Spending, ...] = ("power", "obrien-fleming", "pocock")
PARTS = (1, 5, 16)  # claims that share 5%
BATCH = 50_000


def draw_p_values(source: np.random.Generator, draws: int) -> NDArray[np.float64]:
    """(look, draw)."""
    scores = source.standard_normal((draws, PLANNED_LOOKS[-1]))
    return np.array([stats.ttest_1samp(scores[:, :count], 0, axis=1).pvalue for count in PLANNED_LOOKS])


def measure_error(p_values: NDArray[np.float64], spending: Spending, alpha: float) -> float:
    """The share of draws in which some look decides."""
    most = PLANNED_LOOKS[-1]
    nominal = [
        find_nominal_p(alpha, PLANNED_LOOKS[: number + 1], most, spending) for number in range(len(PLANNED_LOOKS))
    ]
    return float(np.mean((p_values < np.array(nominal)[:, None]).any(axis=0)))


def main() -> None:
    """Print the table."""
    draws, seed = map(int, (*sys.argv[1:3], *("400000", "1")[len(sys.argv[1:3]) :]))
    begun, source = time.perf_counter(), np.random.default_rng(seed)
    p_values = np.concatenate([draw_p_values(source, BATCH) for _ in range(-(-draws // BATCH))], axis=1)[:, :draws]
    print("| spending | " + " | ".join(f"of {5 / part:.4g}%" for part in PARTS) + " |")
    print("| --- |" + " ---: |" * len(PARTS))
    for spending in SPENDINGS:
        shares = [measure_error(p_values, spending, 0.05 / part) for part in PARTS]
        print(f"| {spending} | " + " | ".join(f"{100 * share:.3g}%" for share in shares) + " |")
    print(f"\n`python -m benchmarks.sequential_error {draws} {seed}`, {time.perf_counter() - begun:.0f} s.")


if __name__ == "__main__":
    main()
