"""What the page says in words; the template only places it."""

from collections.abc import Iterable

from tune_app.analysis.labels import build_rows
from tune_app.analysis.metrics import build_scores
from tune_app.errors import RefusedError
from tune_app.export.tables.document import describe_samples
from tune_app.records.results import Results
from tune_app.study import TrialSpec


def build_facts(results: Results) -> str:
    """What was trained on what, in a sentence or two."""
    study, trials = results.study, results.study.grid_trials()
    recipes = [trial.spec.recipe for trial in trials]
    keys = [(trial.spec.id, fold) for trial in trials for fold in range(trial.spec.folds)]
    done = sum(results.records.is_completed(*key) for key in keys)
    return (
        f"{len(build_rows(results.study))} conditions, {len(trials)} trials, {done} of {len(keys)} fits completed. "
        f"{describe_samples(study, ',')} {_list_levels(recipe.epochs for recipe in recipes)} epochs a fold, batch size "
        f"{_list_levels(f'{recipe.batch_size:,}' for recipe in recipes)}, "
        f"{_list_levels(f'{recipe.optimizer} at {recipe.learning_rate:g}' for recipe in recipes)}, "
        f"{_list_levels(recipe.precision for recipe in recipes)}; splitter {study.splitter}, seed {study.seed}."
    )


def _list_levels(levels: Iterable[object]) -> str:
    """`100`, `100 or 1,000`, `10, 20 or 50`: what some trials have and others have not."""
    *first, last = dict.fromkeys(map(str, levels))
    return f"{', '.join(first)} or {last}" if first else last


def build_trial_summary(results: Results, spec: TrialSpec) -> str:
    """One line: fits, mean test accuracy; under carry-over that of the network as it came out of the last fold."""
    done = sum(results.records.is_completed(spec.id, fold) for fold in range(spec.folds))
    metric = results.study.primary.replace("_", " ")
    what = f"{metric} after the last fold" if spec.has_dependent_folds else f"mean {metric}"
    try:
        mean = f", {what} {build_scores(results, [spec], results.study.primary).mean():.4f}"
    except RefusedError:
        mean = ""
    return f"{done} of {spec.folds} fits{mean}"
