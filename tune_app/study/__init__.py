"""What a study asks: factors and levels, trials and their ids, claims, protocols, seeds; and the YAML file of it."""

from tune_app.errors import choices
from tune_app.study.claims import ACCURACIES, EPOCH_METRICS, Claim, Metric, Window
from tune_app.study.entries import Baseline, Catalog, GridEntry
from tune_app.study.expansion import GridTrial, has_levels, resolve_levels
from tune_app.study.factors import FACTORS, TABLE, Recipe
from tune_app.study.labels import Labelling
from tune_app.study.schema import DataChoice, Label
from tune_app.study.spec import TrialSpec
from tune_app.study.study import Study

__all__ = [
    "ACCURACIES",
    "EPOCH_METRICS",
    "FACTORS",
    "TABLE",
    "Baseline",
    "Catalog",
    "Claim",
    "DataChoice",
    "GridEntry",
    "GridTrial",
    "Label",
    "Labelling",
    "Metric",
    "Recipe",
    "Study",
    "TrialSpec",
    "Window",
    "choices",
    "has_levels",
    "resolve_levels",
]
