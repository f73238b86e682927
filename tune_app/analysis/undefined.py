"""Why scores of what was tested are not there: a clause for each fold, put together to a sentence."""

from collections.abc import Sequence

from tune_app.records import FoldRecord

UNKNOWN = "it is undefined for what was tested (a class may be absent), or needs outputs that were not kept"
NAMED = 3  # trials; of more a sentence gives the number


def describe_undefined(fits: Sequence[FoldRecord], metric: str) -> str:
    """`auroc is undefined in folds 1 and 3 of trial X: REASON.`, a sentence for each reason; empty if nothing lacks.

    `metric` is named as in records; of one that is not of what was tested nothing is said.
    """
    if not metric.startswith("test_"):
        return ""
    folds: dict[str, dict[str, list[int]]] = {}
    for record in fits:
        if metric not in record.scores:
            by_trial = folds.setdefault(record.undefined.get(metric, UNKNOWN), {})
            by_trial.setdefault(record.trial, []).append(record.fold + 1)
    name = metric.removeprefix("test_").replace("_", " ")
    return " ".join(
        f"{name} is {'not recorded' if reason is UNKNOWN else 'undefined'} in {_spell_places(by_trial)}: {reason}."
        for reason, by_trial in folds.items()
    )


def _spell_places(by_trial: dict[str, list[int]]) -> str:
    places = [
        f"fold{'s' if len(folds) > 1 else ''} {_join(list(map(str, folds)))} of trial {trial}"
        for trial, folds in by_trial.items()
    ]
    more = len(places) - NAMED
    return _join([*places[:NAMED], f"folds of {more} more trial{'s' if more > 1 else ''}"] if more > 0 else places)


def _join(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
