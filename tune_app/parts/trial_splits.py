"""The splits of a trial, by whatever its study splits by."""

from tune_app.data import Data
from tune_app.parts.catalog import locate
from tune_app.parts.splits import Split
from tune_app.parts.splitters import Positions, build_data_splits, read_split
from tune_app.study import TrialSpec
from tune_app.study.seeds import build_seed


def build_trial_splits(spec: TrialSpec, data: Data, positions: Positions) -> tuple[Split, ...]:
    """The splits of the samples at `positions` for the trial's replicate; StudyError if the data cannot give them."""
    seed = build_seed(spec.seed, "split", spec.replicate)
    definition, split, splitter = spec.definitions.get(spec.splitter), None, spec.splitter
    if definition is not None:
        split = read_split(locate("splitter", definition.reference), dict(definition.arguments))
    return build_data_splits(data, positions, spec.folds, splitter, spec.groups, seed, spec.replicate, split)
