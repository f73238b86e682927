"""A long study in which every twentieth fit raises: one more command completes it, and the driver does not grow."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tests.chaos.lab import Lab, wait_for_end

SECONDS = 1500.0
FITS_OF_A_REPLICATE = 50
RATES = [round(0.001 * (1 + step), 3) for step in range(10)]
EARLY = 0.2  # of the fits: by then everything is imported and every trial has begun that is to run at first
MOST_GROWTH = 0.1  # of the resident memory from there to the end of the fits
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class LongStudy:
    """What came of it: exit codes, fits that failed at first and are done in the end, the driver's resident memory.

    `early_mib` is measured once a fifth of the fits is there, `late_mib` with the last fits.
    """

    fits: int
    first: int | None
    second: int | None
    failed: int
    done: int
    early_mib: float
    late_mib: float
    seconds: float

    @property
    def is_well(self) -> bool:
        grown = self.late_mib > (1 + MOST_GROWTH) * self.early_mib
        return (self.first, self.second) == (1, 0) and self.done == self.fits and not grown


def run_long_study(fits: int, folder: Path) -> LongStudy:
    """A study of so many fits, to the next multiple of 50, on Ray."""
    replicates, begun = -(-fits // FITS_OF_A_REPLICATE), time.monotonic()
    grid = [{"model": "net", "learning_rate": RATES, "folds": 5}]
    recipe, data = {"epochs": 2, "batch_size": 16}, {"name": "digits", "train_images": 300, "test_images": 200}
    lab = Lab(folder / "long", (), {}, grid=grid, replicates=replicates, recipe=recipe, data=data)
    (lab.gate / "every-twentieth").touch()
    fits = replicates * FITS_OF_A_REPLICATE
    process = lab.start("first.log")
    memory = _watch_memory(lab, process)
    first = wait_for_end(process)
    failed = _count(lab, "failed")
    (lab.gate / "every-twentieth").unlink()
    second = wait_for_end(lab.start("second.log"))
    in_fits = [(done, mib) for done, mib in memory if EARLY * fits <= done < fits] or [(0, float("nan"))]
    return LongStudy(
        fits=fits,
        first=first,
        second=second,
        failed=failed,
        done=_count(lab, "completed"),
        early_mib=in_fits[0][1],
        late_mib=in_fits[-1][1],
        seconds=time.monotonic() - begun,
    )


def _watch_memory(lab: Lab, process: "subprocess.Popen[bytes]") -> list[tuple[int, float]]:
    """Fits on disk and MiB of the driver, each second until it ends."""
    found: list[tuple[int, float]] = []
    until = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < until:
        resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        if resident:  # none of one that has just ended
            found.append((lab.fits_on_disk, resident * PAGE_MIB))
        time.sleep(1)
    return found


def _count(lab: Lab, status: str) -> int:
    path = lab.results / "folds.csv"
    return int((pd.read_csv(path)["status"] == status).sum()) if path.exists() else 0
