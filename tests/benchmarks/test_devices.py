"""What the benchmark of two processes measures, and how its table reads."""

import pandas as pd

from benchmarks.devices import build_table, build_trials


def test_it_compares_one_process_with_two_that_normalise_together_or_apart() -> None:
    trials = build_trials("vgg10", 0.125, 400, 100, 1)
    found = {(trial.share.devices, trial.spec.recipe.batchnorm_sync) for trial in trials}
    assert found == {(1, True), (2, True), (2, False)}


def test_its_efficiency_is_the_speed_up_over_the_number_of_processes() -> None:
    rows = [(1, True, 10.0), (1, True, 12.0), (2, False, 5.5), (2, True, 6.875)]
    table = build_table(pd.DataFrame(rows, columns=["devices", "batchnorm_sync", "seconds"]))
    assert table[2:] == [
        "| 1 | of the whole batch | 2 | 11.00 | 1.00 | 100% |",
        "| 2 | of each slice | 1 | 5.50 | 2.00 | 100% |",
        "| 2 | of the whole batch | 1 | 6.88 | 1.60 | 80% |",
    ]
