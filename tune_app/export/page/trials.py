"""The sections of a page that are folded: one for each trial, and one for the contrasts of each further metric."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from tune_app.analysis.confusion import build_confusions
from tune_app.analysis.curves import build_fit_curves
from tune_app.analysis.labels import build_rows
from tune_app.export.figures import Figure
from tune_app.export.figures.study import build_trial_figures
from tune_app.export.page.charts import ChartPool
from tune_app.export.page.content import build_trial_summary
from tune_app.export.page.packing import PARTS_A_PACK, Packs
from tune_app.export.page.placed import PlacedTable, place
from tune_app.export.page.templates import render_part
from tune_app.export.tables.model import Table
from tune_app.export.tables.trials import build_fold_tables
from tune_app.records.results import Results
from tune_app.study import Study


@dataclass(frozen=True)
class TrialSection:
    """What the page says of one trial; all but its first line may lie in a pack."""

    id: str
    label: str
    summary: str
    figures: tuple[tuple[str, Figure], ...]
    folds: PlacedTable
    pack: str = ""


@dataclass(frozen=True)
class ContrastFamily:
    """The contrasts of one metric, which may lie in a pack."""

    id: str
    title: str
    tables: tuple[PlacedTable, ...]
    pack: str = ""


def build_trials(results: Results, folds: pd.DataFrame, pool: ChartPool, packs: Packs | None) -> list[TrialSection]:
    """A section for each trial, with its figures in the pool; with `packs` both lie there."""
    if packs is None:
        return list(_iterate_trials(results, folds, lambda: pool))
    pools: list[ChartPool] = []

    def open_pool() -> ChartPool:
        if not pools:
            pools.append(pool.branch())
        return pools[0]

    sections: list[TrialSection] = []
    trials = _iterate_trials(results, folds, open_pool)
    while together := list(itertools.islice(trials, PARTS_A_PACK)):
        parts = {f"trial-{section.id}": render_part("trial_part", section) for section in together}
        name = packs.add(parts, open_pool().build_content())
        pools.clear()
        sections += [replace(section, pack=name) for section in together]
    return sections


def build_family(tables: Sequence[Table], study: Study, packs: Packs | None) -> ContrastFamily:
    """The section of one metric's contrasts."""
    rendered = tuple(place(table, study) for table in tables)
    id = f"metric-{rendered[0].id}"
    return ContrastFamily(
        id, tables[0].title, rendered, packs.add({id: render_part("family_part", rendered)}) if packs else ""
    )


def _iterate_trials(
    results: Results, folds: pd.DataFrame, find_pool: Callable[[], ChartPool]
) -> Iterator[TrialSection]:
    drawn = _split(build_fit_curves(results)), _split(build_confusions(results))
    loss_unit = results.study.describe_metric("test_loss").unit.partition("/")[0]  # of one network's test
    build_table = build_fold_tables(folds, loss_unit)
    for row in build_rows(results.study):
        for spec in row.trials:
            figures = []
            for figure in build_trial_figures(*(by_trial(spec.id) for by_trial in drawn)):
                key = f"{spec.id}/{figure.name}"
                find_pool().add(key, figure)
                figures.append((key, figure))
            label = f"{row.label}, replicate {spec.replicate}" if len(row.trials) > 1 else row.label
            summary = build_trial_summary(results, spec)
            yield TrialSection(spec.id, label, summary, tuple(figures), place(build_table(spec.id), results.study))


def _split(frame: pd.DataFrame) -> Callable[[str], pd.DataFrame]:
    """What gives the rows of one trial by its id; looking for them in all rows would be quadratic.

    Texts are plain objects in it: pandas would convert those of every trial by themselves.
    """
    frame = frame.astype({name: object for name in frame if isinstance(frame[name].dtype, pd.StringDtype)})
    places = frame.groupby("trial", sort=False).indices if len(frame) else {}
    return lambda trial: frame.iloc[places[trial]] if trial in places else frame.iloc[:0]
