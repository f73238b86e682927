"""Learning curves: scores by epoch, over a condition's fits and fit by fold."""

import pandas as pd

from tune_app.analysis.labels import build_rows
from tune_app.records import EpochRecord
from tune_app.records.results import Results
from tune_app.study import Study
from tune_app.study.once import once

SPLITS = ("training", "validation")
METRICS = ("accuracy", "loss")


@once
def build_fit_curves(results: Results) -> pd.DataFrame:
    """One row per (trial, fold, epoch, metric, split): row, trial, fold (from 1), epoch, metric, split, value.

    Its attributes: `units`, those of the metrics as axes spell them, and `sample`, what a sample is called.
    """
    columns = ["row", "trial", "fold", "epoch", "metric", "split", "value"]
    labels = {spec.id: row.label for row in build_rows(results.study) for spec in row.trials}
    primary = results.study.metrics.primary or "accuracy"
    points = []
    for record in results.records.in_order(labels):
        if not isinstance(record, EpochRecord):
            continue
        where = (labels[record.trial], record.trial, record.fold + 1, record.epoch)
        points += [
            (*where, "accuracy", "training", record.score("train_accuracy")),
            (*where, "accuracy", "validation", record.score("validation_accuracy")),
            (*where, "loss", "training", record.score("train_loss")),
            (*where, "loss", "validation", record.score("validation_loss")),
        ]
        if primary != "accuracy":
            points.append((*where, primary, "validation", record.score(f"validation_{primary}")))
    curves = pd.DataFrame([point for point in points if point[-1] is not None], columns=columns)
    curves.attrs |= {"units": spell_units(results.study), "sample": results.study.sample}
    return curves


def spell_units(study: Study) -> dict[str, str]:
    """The units of accuracy and loss in words: `share of images`, `nats per image`; without one, empty."""
    loss = study.describe_metric("validation_loss").unit.replace("/", " per ")
    return {"accuracy": f"share of {study.sample}s", "loss": loss}


def build_curves(results: Results) -> pd.DataFrame:
    """One row per (condition, epoch, metric, split): mean, lowest and highest value over folds and replicates.

    Its attributes are those of `build_fit_curves`.
    """
    fits = build_fit_curves(results)
    curves = fits.groupby(["row", "metric", "split", "epoch"], sort=False)["value"]
    summary = curves.agg(mean="mean", low="min", high="max", fits="count").reset_index()
    summary.attrs |= fits.attrs
    return summary
