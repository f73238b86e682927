"""The figures of a design, drawn from a real ablation."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pandas as pd
import pytest

from tests.ablations import COMPONENTS, Scores, score_ablation
from tune_app.analysis.designs import MAIN, REMAINDER, SHAPLEY, TOTAL, build_design_effects, build_interaction_cells
from tune_app.export.figures.designs import (
    HEADINGS,
    build_attribution_chart,
    build_design_figures,
    build_interaction_chart,
)
from tune_app.export.figures.figure import Figure


def effects_of(*designs: str) -> pd.DataFrame:
    return build_design_effects(score_ablation(), COMPONENTS, designs)


def rows_of(figure: Figure) -> list[dict[str, object]]:
    found = []
    for rows in figure.build_spec()["datasets"].values():
        found += [row for row in rows if "estimate" in row or "mean" in row]
    return found or list(figure.build_spec()["data"]["values"])


def test_a_bar_ends_at_its_effect_in_percentage_points_and_has_its_interval() -> None:
    effects = effects_of("factorial")
    (figure, _) = build_design_figures(effects, build_interaction_cells(score_ablation(), COMPONENTS, "factorial"))
    rows = [row for row in rows_of(figure) if row["heading"] == HEADINGS[SHAPLEY]]
    expected = effects[effects["family"] == SHAPLEY]
    assert [row["component"] for row in rows] == list(COMPONENTS)
    for name in ("estimate", "ci95_low", "ci95_high"):
        assert [row[name] for row in rows] == pytest.approx(list(expected[name] * 100), rel=1e-5)
    without = [low > 0 or high < 0 for low, high in zip(expected["ci95_low"], expected["ci95_high"], strict=True)]
    assert [row["reading"] == "interval without zero" for row in rows] == without


def test_each_family_but_the_totals_is_a_panel() -> None:
    effects = effects_of("factorial", "leave-one-out", "add-one-in")
    drawn = {row["heading"] for row in rows_of(build_design_figures(effects, pd.DataFrame())[0])}
    assert drawn == set(HEADINGS.values())
    assert {TOTAL, REMAINDER} == set(effects["family"]) - set(HEADINGS)


def test_both_figures_can_be_drawn_light_and_dark() -> None:
    cells = build_interaction_cells(score_ablation(), COMPONENTS, "factorial")
    for figure in build_design_figures(effects_of("factorial"), cells):
        drawn = figure.draw()
        assert drawn.png.startswith(b"\x89PNG")
        for svg in (drawn.svg, drawn.dark_svg):
            texts = "".join(ElementTree.fromstring(svg).itertext())
            assert all(component in texts for component in COMPONENTS)
            assert not re.search(r"NaN|undefined|Infinity", texts)


def test_the_lines_of_an_interaction_go_from_without_to_with() -> None:
    cells = build_interaction_cells(score_ablation(), COMPONENTS, "factorial")
    figure = Figure("interactions", "", "", build_interaction_chart(cells))
    rows = rows_of(figure)
    assert len(rows) == 12
    assert [row["mean"] for row in rows] == pytest.approx(list(cells["mean"] * 100), rel=1e-5)
    headings = {str(row["heading"]).split("|")[0] for row in rows}
    assert headings == {"scaling × worst", "scaling × neighbours", "worst × neighbours"}


def test_an_aliased_pair_is_named_with_its_aliases_above_the_panel() -> None:
    names = ("norm", "dropout", "activation", "schedule")
    scores = {present | extra: values for present, values in rename(names).items() for extra in ({"schedule"}, set())}
    cells = build_interaction_cells(scores, names, "fractional")
    rows = rows_of(Figure("interactions", "", "", build_interaction_chart(cells)))
    first = str(rows[0]["heading"]).split("|")
    assert first[:2] == ["norm × dropout", "or activation × schedule"]


def rename(names: tuple[str, ...]) -> dict[frozenset[str], Scores]:
    """The real scores under other names."""
    new = dict(zip(COMPONENTS, names, strict=False))
    return {frozenset(new[name] for name in present): values for present, values in score_ablation().items()}


def test_an_effect_without_an_interval_is_a_bar_that_says_so_and_one_without_a_number_is_none() -> None:
    effects = effects_of("factorial")
    effects.loc[effects["family"] == MAIN, ["ci95_low", "ci95_high"]] = float("nan")
    effects.loc[effects["family"] == SHAPLEY, "estimate"] = float("nan")
    figure = Figure("attribution", "", "", build_attribution_chart(effects))
    rows = rows_of(figure)
    assert not [row for row in rows if row["heading"] == HEADINGS[SHAPLEY]]
    assert {row["reading"] for row in rows if row["heading"] == HEADINGS[MAIN]} == {"no interval"}
    assert "no interval" in "".join(ElementTree.fromstring(replace(figure, title="x").draw().svg).itertext())


def test_without_numbers_there_are_no_figures() -> None:
    effects = build_design_effects({}, COMPONENTS, "factorial")
    assert build_design_figures(effects, build_interaction_cells({}, COMPONENTS, "factorial")) == []
