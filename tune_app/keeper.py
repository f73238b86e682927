"""`--keep best`: the best network of each trial, on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import read_weights, write_weights
from tune_app.records import RecordSet
from tune_app.trial import BestNetwork


@dataclass(frozen=True)
class Keeper:
    """Writes `<folder>/<trial>.pt`. Holds nothing but a path, so that it can be sent to where files are written."""

    folder: Path

    def __call__(self, best: BestNetwork) -> None:
        """Write the network unless an earlier fold's is better; on a tie the first fold and epoch stay."""
        path = self._path(best.trial)
        try:
            better = _rank(best.facts) > _rank(read_weights(path)["facts"])
        except (OSError, ValueError):
            better = True
        if better:
            write_weights(path, best.state, best.build, best.facts)

    def holds_best(self, trial: str, records: RecordSet) -> bool:
        """Whether the weights on disk are those of the best epoch in the trial's completed folds."""
        try:
            facts = read_weights(self._path(trial))["facts"]
        except (OSError, ValueError):
            return False
        accuracies = [
            record.validation_accuracy
            for (name, fold, _), record in records.epochs.items()
            if name == trial and records.is_completed(name, fold)
        ]
        return bool(accuracies) and facts["validation_accuracy"] >= max(accuracies)

    def _path(self, trial: str) -> Path:
        return self.folder / f"{trial}.pt"


def _rank(facts: dict[str, Any]) -> tuple[float, int, int]:
    return facts["validation_accuracy"], -facts["fold"], -facts["epoch"]
