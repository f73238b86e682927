"""The ablation designs of a study: what their components do, by the primary metric."""

from collections.abc import Iterator

import pandas as pd

from tune_app.analysis.cells import find_cells
from tune_app.analysis.design_sentences import build_design_sentence
from tune_app.analysis.designs import COLUMNS, Measured, Present, build_design_effects, build_interaction_cells
from tune_app.analysis.estimands import find_source
from tune_app.analysis.metrics import Scores, build_scores
from tune_app.errors import RefusedError
from tune_app.records.results import Results
from tune_app.study.expansion import DesignedEntry
from tune_app.study.metrics import SHARE


def build_designs(results: Results) -> pd.DataFrame:
    """One row per design and effect; the columns are in docs/results.md. Empty for a study without components."""
    frames = []
    for number, design in enumerate(results.study.designs(), start=1):
        effects = build_design_effects(*_find_arguments(results, design))
        frames.append(effects.assign(design=number, model=_name(design))[["design", "model", *COLUMNS]])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["design", "model", *COLUMNS])


def build_designs_cells(results: Results) -> Iterator[pd.DataFrame]:
    """The means of each design by the sides of two components, as `build_interaction_cells` gives them."""
    for design in results.study.designs():
        yield build_interaction_cells(*_find_arguments(results, design))


def build_design_sentences(results: Results, designs: pd.DataFrame) -> list[str]:
    """What each design shows, in plain words."""
    metric, scale, unit = choose_scale(results)
    sentences = []
    for _, effects in designs.groupby("design", sort=True):
        sentence = build_design_sentence(effects, metric, scale, unit)
        several = designs["design"].nunique() > 1
        sentences.append(f"{effects['model'].iloc[0]}: {sentence}" if several else sentence)
    return sentences


def choose_scale(results: Results) -> tuple[str, float, str]:
    """The primary metric in words, what its scores are multiplied by to be read, and the unit of that."""
    primary = results.study.primary
    facts = results.study.describe_metric(primary)
    name = primary.replace("_", " ")
    return (name, 100.0, "points") if facts.unit == SHARE else (name, 1.0, facts.unit)


def _find_arguments(
    results: Results, design: DesignedEntry
) -> tuple[dict[Present, Scores], tuple[str, ...], tuple[str, ...], int, Measured]:
    scores: dict[Present, Scores] = {}
    cells = {}
    primary = results.study.primary
    for present, specs in design.conditions.items():
        try:
            scores[present] = build_scores(results, specs, primary)
            if (found := find_cells(results, specs, primary)) is not None:
                cells[present] = found
        except RefusedError:  # the effects that need the condition say that it is missing
            continue
    source = find_source(next(iter(design.conditions.values()))[0], primary)
    measured = Measured(source, results.study.inference == "new-images", cells if source == "test" else {})
    return scores, design.components, tuple(design.entry.design), design.entry.resolution, measured


def _name(design: DesignedEntry) -> str:
    return next(iter(design.conditions.values()))[0].model
