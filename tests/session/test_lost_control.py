"""Ray on this machine dies in mid-study: what happened is said, and what is done is in the tables."""

import signal
from pathlib import Path

import pandas as pd
import pytest

from tests.chaos.processes import find_below
from tests.folders import Folder, fits_on_disk, wait_for


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize(("process_of_ray", "name"), [("gcs_server", "control process"), ("raylet/raylet", "raylet")])
def test_tables_are_written_when_ray_on_this_machine_has_died(tmp_path: Path, process_of_ray: str, name: str) -> None:
    folder = Folder(tmp_path, replicates=4, recipe={"epochs": 30, "batch_size": 2})
    process = folder.start("--no-dashboard")
    wait_for(lambda: fits_on_disk(folder) >= 1, process)
    (victim,) = (each for each in find_below(process.pid) if each.command.partition(" ")[0].endswith(process_of_ray))
    victim.send(signal.SIGKILL)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 1, out + err
    done = fits_on_disk(folder)
    told = f"Ray's {name} on this machine has ended. {done} of 24 fits are done and on disk."
    assert f"{told} Resume with: " in out
    assert "Traceback" not in out + err
    assert (pd.read_csv(folder.results / "folds.csv")["status"] == "completed").sum() == done
    assert (folder.results / "index.html").exists()
