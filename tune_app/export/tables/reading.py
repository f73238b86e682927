"""How to read the tables: what the numbers are, how they came about, and what they do not say."""

from tune_app.records.results import Results
from tune_app.study import Study

CLAIMS = (
    "A claim allows a range of effects. It is supported where the interval of its effect lies inside that range. "
    "Where the interval lies outside, the claim is negligible if the effect is smaller than the margin in either "
    "direction, else refuted. Where the interval reaches across the edge, it is undecided. The intervals are widened "
    "by Holm's rule over the claims of a family, so that the chance of any wrong verdict in it stays below 5%; the "
    "unadjusted verdict stands beside where it is another one. What a claim needs is the number of replicates that "
    "would decide it four times in five, and nine in ten, if the effect is as observed and the spread as uncertain "
    "as it is."
)
REFERENCE = (
    "A reported figure is one test of one network; the difference is ours minus the reported one. It is compared "
    "with the same network on all images of the same data set alone: another width or fewer images make another "
    "experiment. The interval that it lies inside or outside of is that of our mean."
)


def build_reading(results: Results) -> list[str]:
    """Paragraphs, in the order of the questions that a reader has."""
    study = results.study
    paragraphs = [*_explain_scope(study), _explain_contrasts(study)]
    paragraphs += [CLAIMS] if study.claims else []
    return paragraphs + ([REFERENCE] if results.reference else [])


def _explain_scope(study: Study) -> list[str]:
    """What means and intervals speak of."""
    name, sample = study.primary.replace("_", " ").capitalize(), study.sample
    mean = f"{name} is the mean over folds and replicates."
    held_out = (
        f"he corrected resampled interval (Nadeau & Bengio 2003) speaks of new {sample}s and allows for the training "
        f"{sample}s that folds share; it is the accepted heuristic, no more: no unbiased estimate of a "
        "cross-validation's variance exists."
    )
    these = (
        f"An interval of these {sample}s speaks of other seeds and splits on the very {sample}s of the study: over "
        "fits where all are tested alike, over replicate means where folds are scored."
    )
    if study.test == "none":
        return [f"{mean} Every score is that of held-out folds. T{held_out} {these}"]
    if study.inference == "these-images":
        return [f"{mean} {these}"]
    return [
        f"{mean} All networks are tested on one test set. The crossed interval (fits × {sample}s) takes the fits for a "
        f"sample, and the test {sample}s for another: it speaks of other test {sample}s like these and of other seeds "
        f"and splits. What other training {sample}s would change is not in it.",
        f"For scores of held-out folds, such as validation accuracy, t{held_out} {these}",
    ]


def _explain_contrasts(study: Study) -> str:
    rope = study.find_rope(study.primary)
    return (
        "An effect is the row minus its baseline, paired on (replicate, fold) where both have the same splits. p is "
        "adjusted by Holm over the contrasts of the metric that change one factor, and by itself over those that "
        "change more, where it cannot be told which of the changes did it. P(worse), P(equal) and P(better) are what "
        f"the same interval says as probabilities, equal meaning within ±{rope:g}. Detectable is the true difference "
        "that this design finds four times in five. Times have an interval only where the fits of both sides ran in "
        "turns."
    )
