"""What is recorded: a record for each epoch and each fold, and the set of them by key.

A record is keyed by (trial, fold, epoch) or (trial, fold); where a key comes twice, the last one counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Scores = Mapping[str, float]  # metric, named as in a study → number


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch of one fit; `epoch` counts from 1, `fold` from 0.

    `scores`: losses are mean cross-entropies in nats per image, accuracies shares in [0, 1]. Those named `train_` are
    means over the epoch's batches as they were trained on; those named `validation_` are taken after the epoch, in
    evaluation mode. `seconds` covers training and validation, `samples_per_second` training alone. `extra` holds the
    fields that a newer version wrote and this one does not know.
    """

    trial: str
    replicate: int
    fold: int
    epoch: int
    scores: Scores
    learning_rate: float
    seconds: float
    samples_per_second: float
    extra: Mapping[str, Any] = field(default_factory=dict)

    def score(self, metric: str) -> float | None:
        """The score called `metric`, None if the record has none."""
        return self.scores.get(metric)


@dataclass(frozen=True, slots=True)
class FoldRecord:
    """One fit, completed or failed. A failed one has no scores, but an `error_type` and an `error_message`.

    `scores` are named `test_`: of the network of the last epoch on the test set, or of `tested_epoch`. `predictions`
    holds the labels that it predicts there, packed (see `unpack_labels`). `best_epoch` is the first one with the
    highest validation accuracy. `started` is in seconds since 1970; `peak_memory_bytes` is the allocator's peak on a
    GPU, the process's peak resident set on a CPU. `engine` is `eager` or `stacked`, and `engine_reason` says why where
    that needs a reason; of a stack's seconds and bytes each fold has an equal share. `fingerprints` are hashes of the
    network's source (`model`) and of the arrays (`data`). `environment` is the key of where the fit ran (see
    `records.environments`), None in records of earlier versions. `outputs` is the address of the side file with the
    outputs, below the records' folder. `n_train` and `n_test` are the samples of the fold's training and held-out part
    where folds may be unequal. `tested_epoch` is the epoch whose weights were tested where early stopping puts back the
    best ones by its holdout; without it the last epoch's are. `undefined` says why scores are left out, by name.
    `determinism` says of a fit on a GPU which of torch's flags for equal bits were on. `extra` is as in `EpochRecord`.
    """

    trial: str
    replicate: int
    fold: int
    status: Literal["completed", "failed"]
    epochs: int
    scores: Scores
    predictions: str | None
    best_epoch: int | None
    started: float
    fit_seconds: float
    peak_memory_bytes: int | None
    device: str
    host: str
    engine: str | None = None
    engine_reason: str | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    environment: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    outputs: str | None = None
    n_train: int | None = None
    n_test: int | None = None
    tested_epoch: int | None = None
    undefined: Mapping[str, str] = field(default_factory=dict)
    determinism: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def score(self, metric: str) -> float | None:
        """The score called `metric`, None if the record has none."""
        return self.scores.get(metric)


Record = EpochRecord | FoldRecord
# What may differ between two runs of the same trial; every other field is the same bit for bit on a CPU.
RUN_FIELDS = frozenset(
    {
        "seconds",
        "samples_per_second",
        "started",
        "fit_seconds",
        "peak_memory_bytes",
        "device",
        "host",
        "engine",
        "engine_reason",
        "determinism",
        "environment",
    }
)


def build_failed_fold(
    trial: str, replicate: int, fold: int, error_type: str, error_message: str, started: float
) -> FoldRecord:
    """The record of a fold that failed before there was a network to speak of."""
    return FoldRecord(
        trial=trial,
        replicate=replicate,
        fold=fold,
        status="failed",
        epochs=0,
        scores={},
        predictions=None,
        best_epoch=None,
        started=started,
        fit_seconds=0.0,
        peak_memory_bytes=None,
        device="unknown",
        host="unknown",
        error_type=error_type,
        error_message=error_message[:2000],
    )


class RecordSet:
    """Records by key, the last of each key."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.epochs: dict[tuple[str, int, int], EpochRecord] = {}
        self.folds: dict[tuple[str, int], FoldRecord] = {}
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Take a record in, in the place of an earlier one with its key."""
        if isinstance(record, EpochRecord):
            self.epochs[record.trial, record.fold, record.epoch] = record
        else:
            self.folds[record.trial, record.fold] = record

    def is_completed(self, trial: str, fold: int) -> bool:
        """Whether the fold has a record that says so."""
        record = self.folds.get((trial, fold))
        return record is not None and record.status == "completed"

    def missing_folds(self, trial: str, folds: int) -> tuple[int, ...]:
        """The folds of a trial that have no completed record."""
        return tuple(fold for fold in range(folds) if not self.is_completed(trial, fold))

    def drop_incomplete(self) -> None:
        """Forget the completed folds whose epochs are not all there, as after damage: they are to run again."""
        epochs: dict[tuple[str, int], set[int]] = {}
        for trial, fold, epoch in self.epochs:
            epochs.setdefault((trial, fold), set()).add(epoch)
        recorded = {trial for trial, _ in epochs}  # what is fitted in one go has no epochs
        for key, record in list(self.folds.items()):
            whole = set(range(1, record.epochs + 1))
            if record.status == "completed" and record.trial in recorded and not epochs.get(key, set()) >= whole:
                del self.folds[key]

    def completed(self) -> set[tuple[str, int]]:
        """The completed fits, as (trial, fold)."""
        return {key for key, record in self.folds.items() if record.status == "completed"}

    def in_order(self, trials: Iterable[str]) -> list[Record]:
        """The records of the given trials, trial by trial, each fold's epochs before the fold itself."""
        position = {trial: index for index, trial in enumerate(trials)}
        keyed: list[tuple[tuple[int, int, int, int], Record]] = [
            ((position[trial], fold, 0, epoch), record)
            for (trial, fold, epoch), record in self.epochs.items()
            if trial in position
        ]
        keyed += [((position[t], fold, 1, 0), record) for (t, fold), record in self.folds.items() if t in position]
        return [record for _, record in sorted(keyed, key=lambda pair: pair[0])]
