"""A process of a trial on several devices that is killed in the middle of a fit, on Ray."""

from pathlib import Path

import pytest

from tests.builders import scores_of
from tests.device_nets import DIE_ONCE, GRID, NETS, RECIPE
from tests.own_study import OwnStudy


@pytest.mark.slow
def test_on_ray_a_killed_process_costs_the_fit_a_new_start_and_nothing_else(
    alone_with_ray: None, tmp_path: Path
) -> None:
    runs = []
    for name, executor in (("whole", "inline"), ("killed", "ray")):
        folder = tmp_path / name
        folder.mkdir()
        marker = folder / "died"
        if name == "whole":
            marker.touch()
        nets = NETS + DIE_ONCE.replace("MARKER", repr(str(marker)))
        grid = [*GRID, {"model": "net", "folds": 2}]
        own = OwnStudy(folder, {"nets.py": nets}, grid=grid, recipe=RECIPE)
        assert own.run("--executor", executor, "--cpus-per-trial", "0.5") == 0
        assert marker.exists()
        runs.append(own.read_records())
    order = sorted({trial for trial, _ in runs[0].folds})
    first, second = (scores_of(records.in_order(order)) for records in runs)
    assert [each["scores"] for each in first] == [each["scores"] for each in second]
