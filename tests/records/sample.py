"""A record of an epoch and one of its fold."""

import numpy as np

from tune_app.records import EpochRecord, FoldRecord, pack_labels

EPOCH = EpochRecord("t", 0, 0, 1, {"train_loss": 0.1 + 0.2, "validation_accuracy": 1 / 3}, 0.001, 1.5, 1000.0)
FOLD = FoldRecord(
    trial="t",
    replicate=0,
    fold=0,
    status="completed",
    epochs=1,
    scores={"test_loss": 0.25, "test_accuracy": 0.9},
    predictions=pack_labels(np.arange(10)),
    best_epoch=1,
    started=1e9,
    fit_seconds=1.5,
    peak_memory_bytes=7,
    device="cpu",
    host="h",
    engine="eager",
    fingerprints={"model": "1f0c"},
)
