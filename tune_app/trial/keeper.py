"""Networks on disk: the best one of each trial for `--keep best`, the state that carry-over takes on, checkpoints."""

import contextlib
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tune_app.errors import ResultsError
from tune_app.models import read_weights, write_weights
from tune_app.records import FoldRecord, Record, RecordSet, write_bytes_whole
from tune_app.trial import BestNetwork, Carried


@dataclass(frozen=True)
class Keeper:
    """Writes `<folder>/<trial>.pt`. Holds nothing but a path, so that it can be sent to where files are written."""

    folder: Path

    def __call__(self, best: BestNetwork) -> None:
        """Write the network unless an earlier fold's is better; on a tie the first fold and epoch stay.

        A disk that takes no more costs the network alone, not the fit: `holds_best` shows it.
        """
        path = self._path(best.trial)
        try:
            better = _rank(best.facts) > _rank(read_weights(path)["facts"])
        except ResultsError:
            better = True
        if better:
            with contextlib.suppress(OSError, RuntimeError):  # torch's own writer raises the latter
                write_weights(path, best.state, best.build, best.facts)

    def holds_best(self, trial: str, records: RecordSet) -> bool:
        """Whether the weights on disk are those of the best epoch in the trial's completed folds."""
        try:
            facts = read_weights(self._path(trial))["facts"]
        except ResultsError:
            return False
        metric, sign = facts.get("metric", "validation_accuracy"), facts.get("sign", 1)
        merits = [
            sign * record.scores[metric]
            for (name, fold, _), record in records.epochs.items()
            if name == trial and records.is_completed(name, fold) and metric in record.scores
        ]
        return bool(merits) and sign * facts[metric] >= max(merits)

    def _path(self, trial: str) -> Path:
        return self.folder / f"{trial}.pt"


@dataclass(frozen=True)
class CarriedStates:
    """Writes `<folder>/<trial>.pt`, whole or not at all: a `tune_app.trial.Carrier`."""

    folder: Path

    def write(self, trial: str, carried: Carried) -> None:
        """Replace the trial's state. A disk that takes no more costs a resumed trial its start: it begins again."""
        path = self.folder / f"{trial}.pt"
        partial = path.with_suffix(".partial")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            torch.save(vars(carried), partial)
            partial.replace(path)
        except (OSError, RuntimeError):  # torch's own writer raises the latter
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)

    def read(self, trial: str) -> Carried | None:
        """The trial's state, None if there is none that can be read."""
        try:
            return Carried(**torch.load(self.folder / f"{trial}.pt", weights_only=True, map_location="cpu"))
        except (OSError, RuntimeError, TypeError, pickle.UnpicklingError):
            return None  # the trial starts over: slower, with the same records

    def clear(self) -> None:
        """Delete every state: nothing is left to resume from."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class KeptCheckpoints:
    """Writes `<folder>/<trial>.fold-<n>`, whole or not at all: a `tune_app.trial.CheckpointFiles`."""

    folder: Path

    def read(self, trial: str, fold: int) -> bytes | None:
        """The fold's checkpoint, None if there is none that can be read."""
        try:
            return self._path(trial, fold).read_bytes()
        except OSError:
            return None

    def write(self, trial: str, fold: int, content: bytes) -> None:
        """Replace the fold's checkpoint. A disk that takes no more costs the checkpoint, not the fit."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_bytes_whole(self._path(trial, fold), content)

    def forget(self, record: Record) -> None:
        """Delete the checkpoint of a fold that has its record; a fit whose process was lost can still go on."""
        if isinstance(record, FoldRecord) and (record.status == "completed" or record.epochs):
            with contextlib.suppress(OSError):
                self._path(record.trial, record.fold).unlink(missing_ok=True)

    def _path(self, trial: str, fold: int) -> Path:
        return self.folder / f"{trial}.fold-{fold + 1}"


def _rank(facts: dict[str, Any]) -> tuple[float, int, int]:
    return facts.get("sign", 1) * facts[facts.get("metric", "validation_accuracy")], -facts["fold"], -facts["epoch"]
