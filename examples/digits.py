"""Does a larger learning rate help a small network on scikit-learn's digits, and does batch normalisation?

    python digits.py

A study built, planned, run and judged in Python. It writes `runs/` and `results/` into the folder that it is started
from, and takes some seconds on one core. Started again it runs nothing: the records say that every fit is done.
"""

import tune_app

STUDY = tune_app.build_study(
    {
        "name": "digits",
        "title": "Learning rate and batch normalisation on the digits",
        "data": {"name": "digits", "train_images": 600},
        "recipe": {"epochs": 4, "batch_size": 20},
        "replicates": 2,
        "grid": [
            {
                "model": "cnn",
                "width": 0.25,
                "regularizer": ["none", "batchnorm"],
                "learning_rate": [0.001, 0.003],
                "folds": 4,
            }
        ],
        "labels": [{"label": "plain", "regularizer": "none"}, {"label": "BN", "regularizer": "batchnorm"}],
        "claims": [
            {
                "sentence": "A learning rate of 0.003 raises the test accuracy.",
                "levels": {"learning_rate": 0.003},
                "against": {"learning_rate": 0.001},
                "expect": "higher",
            },
            {
                "sentence": "Batch normalisation raises the test accuracy.",
                "levels": {"regularizer": "batchnorm"},
                "against": {"regularizer": "none"},
                "expect": "higher",
            },
        ],
    }
)


class Lines(tune_app.Callback):
    """A logger of one's own: a line for each fit that ends."""

    def record(self, record: tune_app.EpochRecord | tune_app.FoldRecord) -> None:
        """Called with every record once it is on disk, whatever the executor."""
        if isinstance(record, tune_app.FoldRecord):
            score = record.score("test_accuracy")
            said = record.error_message if score is None else f"{score:.4f}"
            print(f"{record.trial}, fold {record.fold + 1}: {said}")


def main() -> None:
    """Plan, run, and print what came out."""
    print(tune_app.build_plan(STUDY, executor="inline", device="cpu"))
    results = tune_app.run_study(STUDY, executor="inline", device="cpu", progress=False, callbacks=[Lines()])

    contrasts = results.contrasts
    for contrast in contrasts[contrasts["metric"] == "test_accuracy"].to_dict("records"):
        print(
            f"{contrast['row']} minus {contrast['baseline_row']}: {contrast['effect']:+.4f}, 95% interval "
            f"[{contrast['ci95_low']:+.4f}, {contrast['ci95_high']:+.4f}] from {contrast['n_pairs']} pairs"
        )
    for claim in results.verdicts.to_dict("records"):
        print(f"{claim['sentence']} {claim['verdict'].capitalize()}.")
    print(f"Tables, figures and page: {results.folder}")


if __name__ == "__main__":
    main()
