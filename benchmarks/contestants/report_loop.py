"""The report's loop: DataLoaders with 4 workers over per-image transforms, unfused Adam, one trial after the other."""

from typing import Any

from benchmarks.contestants.plain_loop import evaluate, train_epochs
from benchmarks.work import Work, build_loaders, build_seeded_network, read_mnist, tell_outcome


def run(work: Work) -> list[dict[str, Any]]:
    """Every fit in turn, on torch's default number of threads."""
    mnist = read_mnist(work)
    scores = []
    for regularizer in work.regularizers:
        for fold in range(work.folds):
            train, validation, test = build_loaders(work, mnist, fold, num_workers=4)
            network = build_seeded_network(work, regularizer, fold).to(work.device)
            for _ in train_epochs(network, train, validation, work):
                pass
            accuracy = evaluate(network, test, work)
            scores.append({"regularizer": regularizer, "fold": fold, "test_accuracy": accuracy})
    return scores


if __name__ == "__main__":
    tell_outcome(run)
