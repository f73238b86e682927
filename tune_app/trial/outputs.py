"""What a network gave for the samples that it was tested on: side files next to the records."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tune_app.data import Task
from tune_app.records import write_bytes_whole

FOLDER = "outputs"
KeepOutputs = Callable[[str, int, bytes], str]  # trial, fold, content → the file's address in the folder of the records


def pack_outputs(
    outputs: NDArray[Any], targets: NDArray[Any], positions: NDArray[np.int64], task: Task, has_scores: bool = True
) -> bytes:
    """The content of a side file: outputs as float16 (numbers of a regression as float32), targets, positions.

    `positions` count in the data set's test part, or in the whole where held-out folds are scored.
    """
    content = io.BytesIO()
    np.savez_compressed(
        content,
        outputs=round_outputs(outputs, task),
        targets=targets,
        positions=positions,
        has_scores=np.array(has_scores),
    )
    return content.getvalue()


def round_outputs(outputs: NDArray[Any], task: Task) -> NDArray[Any]:
    """The outputs as they are recorded; scores are computed from these, so that they can be computed again."""
    if task == "regression":
        return outputs.astype(np.float32)
    limit = float(np.finfo(np.float16).max)
    return np.asarray(np.clip(outputs, -limit, limit), dtype=np.float16)


@dataclass(frozen=True)
class OutputFiles:
    """Writes `<folder>/outputs/<trial>/fold-<n>.npz`, whole or not at all: a `KeepOutputs`."""

    folder: Path

    def __call__(self, trial: str, fold: int, content: bytes) -> str:
        address = f"{FOLDER}/{trial}/fold-{fold + 1}.npz"
        path = self.folder / address
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_whole(path, content)
        return address
