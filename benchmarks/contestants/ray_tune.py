"""Ray Tune with a function trainable and DataLoaders of its own for each trial, as in Ray's MNIST example.

A trial is one regularizer and goes through its folds: a trial per fit would start four times as many processes.
"""

import os
import tempfile
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray import tune

from benchmarks.contestants.plain_loop import evaluate, train_epochs
from benchmarks.work import Work, build_loaders, build_seeded_network, read_mnist, tell_outcome


def train_mnist(config: dict[str, Any], work: Work) -> None:
    """One trial; reports the validation accuracy after each epoch and the test accuracies at its end."""
    mnist = read_mnist(work)
    accuracies = []
    for fold in range(work.folds):
        train, validation, test = build_loaders(work, mnist, fold)
        network = build_seeded_network(work, config["regularizer"], fold).to(work.device)
        for accuracy in train_epochs(network, train, validation, work):
            tune.report({"fold": fold, "validation_accuracy": accuracy})
        accuracies.append(evaluate(network, test, work))
    tune.report({"test_accuracies": accuracies})


def run(work: Work) -> list[dict[str, Any]]:
    """Every regularizer as a trial on one core; on a GPU four trials share it."""
    ray.init(address="local", log_to_driver=False)
    share = {"cpu": 1.0} | ({"gpu": 0.25} if work.device == "cuda" else {})
    with tempfile.TemporaryDirectory() as storage:
        results = tune.Tuner(
            tune.with_resources(tune.with_parameters(train_mnist, work=work), share),
            param_space={"regularizer": tune.grid_search(list(work.regularizers))},
            run_config=tune.RunConfig(storage_path=storage, verbose=0),
        ).fit()
    ray.shutdown()
    if results.errors:
        raise results.errors[0]
    table = results.get_dataframe()
    return [
        {"regularizer": regularizer, "fold": fold, "test_accuracy": accuracy}
        for regularizer, accuracies in zip(table["config/regularizer"], table["test_accuracies"], strict=True)
        for fold, accuracy in enumerate(accuracies)
    ]


if __name__ == "__main__":
    tell_outcome(run)
