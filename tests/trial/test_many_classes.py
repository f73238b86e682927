"""More classes than a byte can number, through a whole trial, its records on disk and their analysis."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.builders import build_study
from tune_app.analysis.confusion import count_confusions, rank_confused
from tune_app.analysis.frames import is_single_class
from tune_app.data import Data
from tune_app.records import FoldRecord, RecordStore, read_records, unpack_labels
from tune_app.study import TrialSpec
from tune_app.trial import run_trial

CLASSES = 300


@pytest.fixture(scope="module")
def codes() -> Data:
    """A class is a pattern of nine bits, drawn as nine blocks of 2×2 pixels: a small network can tell 300 apart."""
    bits = (np.arange(CLASSES)[:, None] >> np.arange(9)) & 1
    images = np.kron(bits.reshape(CLASSES, 1, 3, 3), np.ones((2, 2), dtype=np.int64)) * 255
    images = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1))).astype(np.uint8)
    labels = np.tile(np.arange(CLASSES), 6)
    names = tuple(map(str, range(CLASSES)))
    return Data(images[labels], labels, names, test=Data(images, np.arange(CLASSES), names))


@pytest.fixture
def spec() -> TrialSpec:
    study = build_study(
        data={"name": "digits"},
        recipe={"epochs": 8, "batch_size": 20, "learning_rate": 0.003},
        grid=[{"model": "cnn", "width": 0.25, "folds": 2}],
    )
    return study.grid_trials()[0].spec


def test_three_hundred_classes_are_learnt_recorded_and_analysed(codes: Data, spec: TrialSpec, tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    for record in run_trial(spec, codes, folds=[0], device=torch.device("cpu")):
        store.append(record)
    store.close()
    record = read_records(store.path)[0].folds[spec.id, 0]
    assert isinstance(record, FoldRecord)
    assert record.predictions is not None
    predicted = unpack_labels(record.predictions)
    assert record.scores["test_accuracy"] == (predicted == codes.test_part.targets).mean() > 0.9
    assert set(predicted.tolist()) & set(range(256, CLASSES)), "the classes that a byte cannot name are among them"
    assert not is_single_class(record)
    confusions = count_confusions([predicted], codes.test_part.targets, CLASSES)
    right = confusions[confusions["true"] == confusions["predicted"]]["count"].sum()
    assert right == (predicted == codes.test_part.targets).sum()
    wrong = np.flatnonzero(predicted != codes.test_part.targets).tolist()
    confused = rank_confused([predicted], codes.test_part.targets, CLASSES)
    assert [(image, label) for image, _, label in confused] == [(image, int(predicted[image])) for image in wrong]
