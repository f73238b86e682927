"""The figures of a study: which there are, and what must be known to read them."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pandas as pd

from tune_app.analysis.confusion import build_confused, build_confusions
from tune_app.analysis.curves import build_curves
from tune_app.analysis.designed import build_designs, build_designs_cells, choose_scale
from tune_app.analysis.looking import build_looks
from tune_app.analysis.over_data import build_over_data
from tune_app.analysis.schedule import build_schedule
from tune_app.analysis.thresholds import ROC, build_threshold_curves
from tune_app.errors import ExportError
from tune_app.export.figures.confusion import (
    build_confused_chart,
    build_confusion_chart,
    choose_most_different,
    sum_confusions,
)
from tune_app.export.figures.contrasts import build_forest_chart, build_waterfall_chart, select_drawable
from tune_app.export.figures.curves import build_curves_chart, build_fit_curves_chart
from tune_app.export.figures.data_sets import build_critical_difference_chart
from tune_app.export.figures.designs import build_design_figures
from tune_app.export.figures.figure import Figure
from tune_app.export.figures.looks import build_looks_chart
from tune_app.export.figures.rows import label_contrasts, spell_pair
from tune_app.export.figures.schedule import MOST_BARS, build_schedule_chart
from tune_app.export.figures.scores import KINDS, build_scores, build_scores_chart, spell_scores_title
from tune_app.export.figures.shares import build_shares, build_shares_chart, name_sources
from tune_app.export.figures.shown import MOST_PANELS, MOST_PICTURES, MOST_ROWS, Shown, choose_shown
from tune_app.export.figures.thresholds import build_thresholds_chart
from tune_app.export.figures.titles import (
    title_audit,
    title_confused,
    title_confusion,
    title_contrasts,
    title_critical_difference,
    title_curves,
    title_looks,
    title_precision_recall,
    title_roc,
    title_schedule,
    title_shares,
)
from tune_app.export.tables.scope import build_scope, spell_method
from tune_app.records.results import Results

BAND = "The band runs from the lowest to the highest fit; where a condition has replicates, over these too."
SINGLE = "the page has the others with their trials"


def build_figures(
    results: Results, contrasts: pd.DataFrame | None = None, audit: pd.DataFrame | None = None
) -> list[Figure]:
    """Every figure that the results give, in the order to read them; ExportError if one cannot be built.

    `contrasts` has the columns of contrasts.csv, `audit` as `build_waterfall_chart`; without test labels there are no
    confusions.
    """
    figures, failed = collect_figures(results, contrasts, audit)
    if failed:
        raise ExportError("\n".join(f"figure {name} cannot be built: {why}" for name, why in failed.items()))
    return figures


def collect_figures(
    results: Results, contrasts: pd.DataFrame | None = None, audit: pd.DataFrame | None = None
) -> tuple[list[Figure], dict[str, str]]:
    """The figures of `build_figures` that can be built, and why the others cannot, by name."""
    shown = choose_shown(results)
    builders: dict[str, Callable[[], list[Figure]]] = {
        "scores": lambda: _build_scores(results, shown),
        "shares": lambda: _build_shares(results, shown),
        "contrasts": lambda: _build_forest(results, contrasts, shown),
        "looks": lambda: _build_looks(results),
        "audit": lambda: _build_waterfall(audit),
        "designs": lambda: _build_designs(results),
        "critical-difference": lambda: _build_critical_difference(results),
        "curves": lambda: _build_curves(results, shown),
        "thresholds": lambda: _build_thresholds(results, shown),
        "confusions": lambda: _build_confusions(results, shown),
        "schedule": lambda: _build_schedule(results),
    }
    figures: list[Figure] = []
    failed = {}
    for name, build in builders.items():
        try:
            figures += build()
        except Exception as error:  # whatever a chart makes of unforeseen numbers: it costs that figure alone
            failed[name] = f"{type(error).__name__}: {error}"
    return figures, failed


def _build_scores(results: Results, shown: Shown) -> list[Figure]:
    whole = build_scores(results)
    scores = shown.select(whole, MOST_ROWS)
    if scores.empty:
        return []
    methods = " or ".join(spell_method(method, results.study) for method in scores.attrs["methods"])
    caption = f"Means with their 95% intervals ({methods}). " if methods else "Means. "
    caption += build_scope(scores.attrs["numbers"], results.study)
    if scores["band_low"].notna().any():
        caption += " The grey band behind a row is the interval of the baseline that it is compared with."
    if scores.attrs["is_cut"]:
        caption += " Intervals are cut where the metric ends; conditions.csv has them uncut."
    if scores.attrs["distance"]:
        caption += " An arrow ends an interval that reaches beyond the axis."
    caption += " A reported figure is one test of one network." if KINDS[2] in set(scores["kind"]) else ""
    caption += shown.remark(MOST_ROWS)
    return [Figure("scores", spell_scores_title(results, whole), caption, build_scores_chart(scores))]


def _build_shares(results: Results, shown: Shown) -> list[Figure]:
    shares = shown.select(build_shares(results), MOST_ROWS)
    if shares.empty:
        return []
    metric, sample = results.study.primary.replace("_", " "), results.study.sample
    caption = (
        f"Parts of the squared standard error of each mean {metric}, of new {sample}s. More replicates make the seeds' "
        f"part smaller, more test {sample}s the {sample}s' part, either of them the part that is a fit's own luck with "
        f"single {sample}s.{shown.remark(MOST_ROWS)}"
    )
    title = title_shares(shares, name_sources(sample))
    return [Figure("shares", title, caption, build_shares_chart(shares, sample))]


def _build_forest(results: Results, contrasts: pd.DataFrame | None, shown: Shown) -> list[Figure]:
    if contrasts is None or contrasts.empty:
        return []
    whole = select_drawable(contrasts)
    drawn = label_contrasts(results, shown.select(whole, MOST_ROWS))
    if drawn.empty:
        return []
    metric = str(drawn["metric"].iloc[0]).replace("_", " ")
    caption = f"Effect on {metric} with its 95% interval; the grey band is the region of practical equivalence. "
    caption += build_scope(zip(drawn["estimand"], drawn["metric"], strict=True), results.study)
    caption += shown.remark(MOST_ROWS) if len(drawn) < len(whole) else ""
    return [
        Figure(
            "contrasts", title_contrasts(whole, partial(spell_pair, results.study)), caption, build_forest_chart(drawn)
        )
    ]


def _build_looks(results: Results) -> list[Figure]:
    looks = build_looks(results)
    if looks.empty:
        return []
    caption = (
        "Each claim's effect with its adjusted interval after each look; the band is what the claim allows. A verdict "
        "is reached when the interval lies inside it, or outside. Points are percentage points. Ends beyond a panel "
        "are cut off."
    )
    return [Figure("looks", title_looks(looks), caption, build_looks_chart(looks))]


def _build_waterfall(audit: pd.DataFrame | None) -> list[Figure]:
    if audit is None or audit.empty:
        return []
    caption = (
        f"From the protocol as reported to the sound one: {audit.attrs['setting']}. Each bar is a share of the gap "
        f"with its 95% interval: {audit.attrs['method']}."
    )
    return [Figure("audit", title_audit(audit), caption, build_waterfall_chart(audit))]


def _build_designs(results: Results) -> list[Figure]:
    designs = build_designs(results)
    metric, scale, unit = choose_scale(results)
    axis = f"Effect on {metric}" + (" (percentage points)" if unit == "points" else "")
    found = []
    for number, cells in enumerate(build_designs_cells(results), start=1):
        effects = designs[designs["design"] == number]
        for figure in build_design_figures(effects, cells, metric, scale, axis):
            found.append(figure if number == 1 else replace(figure, name=f"{figure.name}-{number}"))
    return found


def _build_critical_difference(results: Results) -> list[Figure]:
    found = build_over_data(results)
    if found is None or found.summary is None or found.summary.critical_difference is None:
        return []
    summary = found.summary
    difference = found.summary.critical_difference
    caption = (
        f"Average rank over {summary.data_sets} data sets; conditions that a bar joins differ by no more than the "
        "critical difference (Nemenyi's test, 5% level)."
    )
    title = title_critical_difference(summary.average_ranks, difference)
    chart = build_critical_difference_chart(summary.average_ranks, difference)
    return [Figure("critical-difference", title, caption, chart)]


def _build_curves(results: Results, shown: Shown) -> list[Figure]:
    whole = build_curves(results)
    curves = shown.select(whole, MOST_PANELS)
    if curves.empty:
        return []
    study = results.study
    how = "Mean over fits by epoch, training figures as trained, validation after each epoch."
    is_entropy = curves.attrs["units"]["loss"] and not study.metrics.named
    axis = f"{'Mean cross-entropy, on' if is_entropy else 'On'} a logarithmic axis."
    captions = {"loss": f"{how} {BAND} {axis}"}
    return [
        Figure(
            metric,
            title_curves(whole, metric, study.describe_metric(f"validation_{metric}").better),
            captions.get(metric, f"{how} {BAND}") + shown.remark(MOST_PANELS, SINGLE),
            build_curves_chart(curves, metric),
        )
        for metric in dict.fromkeys(curves["metric"])
    ]


def _build_confusions(results: Results, shown: Shown) -> list[Figure]:
    confusions = build_confusions(results)
    if results.test is None or confusions.empty:
        return []
    whole = sum_confusions(confusions)
    pair = choose_most_different(whole)
    total = whole["row"].nunique()
    caption = (
        "Test images, summed over folds and replicates. Numbers are percent of the true class's images, from 1 up."
    )
    if total > len(pair):
        which = (
            f"the two of {total:,} conditions that differ most" if len(pair) == 2 else f"one of {total:,}, all equal"
        )
        caption += f" Shown: {which} (total variation, mean over the classes); {SINGLE}."
    chart = build_confusion_chart(confusions[confusions["row"].isin(pair)])
    title = title_confusion(whole[whole["row"].isin(pair)])
    found = [Figure("confusion", title, caption, chart)]
    confused = shown.select(build_confused(results, results.test.labels), MOST_PICTURES)
    if not confused.empty:
        caption = "Under each image: its label → what it is most often taken for; how many of the fits are wrong."
        caption += shown.remark(MOST_PICTURES, "the others are left out")
        found.append(
            Figure("confused", title_confused(confused), caption, build_confused_chart(confused, results.test))
        )
    return found


def _build_thresholds(results: Results, shown: Shown) -> list[Figure]:
    whole = build_threshold_curves(results)
    found = []
    for kind in dict.fromkeys(whole["curve"]):
        curves = whole[whole["curve"] == kind]
        caption = (
            "The second class is the positive one. Each curve is of one fit; the line is their mean over folds and "
            f"replicates at equal {'false-positive rates' if kind == ROC else 'recalls'}, the band runs from the "
            "lowest to the highest fit and is no interval. The axes show where fits differ."
        )
        chart = build_thresholds_chart(shown.select(curves, MOST_PANELS), kind, shown.baseline)
        title = title_roc(curves) if kind == ROC else title_precision_recall(curves)
        found.append(Figure(kind, title, caption + shown.remark(MOST_PANELS), chart))
    return found


def _build_schedule(results: Results) -> list[Figure]:
    schedule = build_schedule(results)
    if schedule.empty:
        return []
    note = "A bar is one fit" if len(schedule) <= MOST_BARS else "A bar is what a trial fitted in turn"
    note += "; fits that ran at the same time on a device lie in lanes of their own."
    if (schedule["idle_seconds"] > 0).any():
        note += " At a dotted line the study stood still, and that time is cut out."
    if (schedule["status"] == "failed").any():
        note += " A cross marks a failed fit."
    return [Figure("schedule", title_schedule(schedule), note, build_schedule_chart(schedule))]


def build_trial_figures(curves: pd.DataFrame, confusions: pd.DataFrame) -> list[Figure]:
    """Learning curves fold by fold and the confusion matrix, from the rows of one trial.

    `curves` as `build_fit_curves` gives them, `confusions` as `build_confusions`; without rows there is no figure.
    """
    figures = []
    if not curves.empty:
        how = "One line for each fold."
        figures += [
            Figure(
                metric, f"{metric.replace('_', ' ').capitalize()} by epoch", how, build_fit_curves_chart(curves, metric)
            )
            for metric in dict.fromkeys(curves["metric"])
        ]
    if not confusions.empty:
        how = "Percent of the true class's test images, summed over folds."
        figures.append(Figure("confusion", title_confusion(confusions), how, build_confusion_chart(confusions)))
    return figures
