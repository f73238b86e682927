"""What the numbers of a table speak of, in words."""

from collections.abc import Iterable

from tune_app.analysis.estimands import NEW_IMAGES, THESE_IMAGES, THESE_RUNS, find_source
from tune_app.export.tables.model import Column
from tune_app.study import Study

SEVERAL = "what each row says"
NOTHING = "Without an interval, the numbers speak of nothing but the runs that were made."
ESTIMAND = Column("estimand", "speaks of")  # of tables whose rows differ in it
_MEANINGS = {
    "test": "other test {0}s like these and other seeds and splits, on the same training {0}s",
    "held-out": "other {0}s like these and other seeds and splits",
    "both": "other {0}s like these and other seeds and splits (of test scores, on the same training {0}s)",
    THESE_IMAGES: "the very {0}s of the study, with other seeds and splits",
    THESE_RUNS: "other runs on the same machine in the same state",
}


def spell_estimand(estimand: object, study: Study) -> str:
    """`new images`, as data files have it, or `new samples` for a study with data of its own; empty where missing."""
    return estimand.replace("image", study.sample) if isinstance(estimand, str) else ""


def spell_method(method: object, study: Study) -> str:
    """The method, which counts a user's samples where files say images."""
    return spell_estimand(method, study)


def build_scope(numbers: Iterable[tuple[object, str]], study: Study) -> str:
    """The sentence for a table of numbers, each with (estimand, metric); those without an estimand do not count."""
    found: dict[str, set[str]] = {}
    for estimand, metric in numbers:
        if isinstance(estimand, str) and estimand:
            found.setdefault(estimand, set()).add(_find_source(metric, study))
    if not found:
        return NOTHING
    meanings = [f"{spell_estimand(name, study)}: {_spell_meaning(name, found[name], study)}" for name in found]
    if len(meanings) == 1:
        return f"The numbers speak of {meanings[0]}."
    return f"The numbers speak of {SEVERAL}. {'; '.join(meanings).capitalize()}."


def do_differ(estimands: Iterable[object]) -> bool:
    """Whether rows speak of different things; what all of them speak of is said once, above them."""
    return len({each for each in estimands if isinstance(each, str) and each}) > 1


def _find_source(metric: str, study: Study) -> str:
    return find_source(study.grid_trials()[0].spec, metric)


def _spell_meaning(estimand: str, sources: set[str], study: Study) -> str:
    key = estimand
    if estimand == NEW_IMAGES:
        key = "both" if len(sources) > 1 else next(iter(sources))
    return _MEANINGS[key].format(study.sample)
