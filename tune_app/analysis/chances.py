"""The chance that looks to come decide a claim, by what the looks so far have found."""

from tune_app.analysis.looks import ClaimPath, Looks
from tune_app.analysis.power import TARGETS, Region
from tune_app.analysis.sequential import find_conditional_power, find_nominal_p
from tune_app.analysis.t_tests import TTest


def find_chance(looks: Looks, path: ClaimPath, test: TTest, region: Region, replicates: int) -> float:
    """The chance that a look after so many replicates decides the claim; those planned before it are taken too."""
    taken = [look.replicates for look in path.looks]
    between = [count for count in looks.schedule.looks if max(taken, default=0) < count < replicates]
    counts = [*taken, *between, replicates]
    nominal_p = find_nominal_p(looks.find_level(path.family), counts, looks.most, looks.spending)
    return find_conditional_power(test, region, nominal_p, replicates)


def find_needed_looks(
    looks: Looks, path: ClaimPath, test: TTest, region: Region
) -> tuple[float | None, tuple[int | None, ...]]:
    """The chance that the last look decides the claim, and the first looks with a chance of 80% and of 90%.

    Looks are given in replicates, None where no look has such a chance. A claim that was stopped keeps the chance that
    it was stopped for, None after the last look.
    """
    if not path.is_open:
        return path.looks[-1].conditional_power, (None,) * len(TARGETS)
    counts = [count for count in looks.schedule.looks if count > path.looks[-1].replicates]
    chances = {count: find_chance(looks, path, test, region, count) for count in counts}
    needed = tuple(next((count for count in counts if chances[count] >= target), None) for target in TARGETS)
    return chances[counts[-1]], needed
