"""Jackknife pseudo-values of metrics that no analysis of labels gives: of scores, of numbers, of users' functions."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tune_app.analysis.cells import LABEL_METRICS
from tune_app.parts.scoring import Scoring, build_scoring
from tune_app.records import FoldRecord, RecordSet
from tune_app.records.results import (
    PSEUDO_FILE,
    PseudoValues,
    build_pseudo_key,
    read_pseudo_values,
    write_pseudo_values,
)
from tune_app.session.backfill import Outputs, find_completed, find_task, read_labels, read_outputs
from tune_app.study import Study, TrialSpec

BLOCKS = 50  # of images that are left out together: as many evaluations of each metric for each fit


def build_pseudo_values(
    records: RecordSet, study: Study, specs: Sequence[TrialSpec], folder: Path
) -> PseudoValues | None:
    """For each completed fit on a common test set and each metric, the pseudo-values (block,), from its side file.

    What was computed before is kept in `folder`. None where there are none: held-out folds are scored, or labels are
    enough. A metric that is undefined without some block has none for that fit.
    """
    scoring = build_scoring(study)
    names = [name for name in scoring.names if f"test_{name}" not in LABEL_METRICS]
    if not names or study.test == "none":
        return None
    known, found = _read_known(folder / PSEUDO_FILE), dict[str, NDArray[np.float32]]()
    for record in find_completed(records, specs):
        if record.outputs is None:
            continue
        keys = {name: build_pseudo_key(record, f"test_{name}") for name in names}
        found |= {key: known[key] for key in keys.values() if key in known}
        missing = [name for name, key in keys.items() if key not in known]
        outputs = read_outputs(folder / record.outputs) if missing else None
        if outputs is not None:
            for name in missing:
                if (values := _leave_out_blocks(scoring, name, record, outputs)) is not None:
                    found[keys[name]] = values
    if found.keys() != known.keys():
        write_pseudo_values(folder / PSEUDO_FILE, found)
    return found or None


def _read_known(path: Path) -> PseudoValues:
    try:
        return read_pseudo_values(path) if path.is_file() else {}
    except (OSError, ValueError, zipfile.BadZipFile):
        return {}  # it is written again


def _leave_out_blocks(scoring: Scoring, name: str, record: FoldRecord, recorded: Outputs) -> NDArray[np.float32] | None:
    """B·θ − (B − 1)·θ without the block; block b has every B-th image from the b-th on, the same of every fit."""
    outputs, targets, has_scores = recorded
    task, labels = find_task(outputs, targets), read_labels(record)
    blocks = min(BLOCKS, len(targets))
    place = np.arange(len(targets)) % blocks

    def compute(kept: NDArray[np.bool_]) -> float | None:
        named = None if labels is None else labels[kept]
        scores = scoring.compute((name,), outputs[kept], targets[kept], task, labels=named, has_scores=has_scores)
        return scores.get(name)

    whole = compute(np.ones(len(targets), dtype=bool))
    others = [compute(place != block) for block in range(blocks)]
    defined = [other for other in others if other is not None]
    if whole is None or blocks < 2 or len(defined) < blocks:
        return None
    return np.asarray(blocks * whole - (blocks - 1) * np.array(defined), dtype=np.float32)
