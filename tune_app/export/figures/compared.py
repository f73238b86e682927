"""Results folders side by side: the means of each condition, one mark for each folder."""

import altair as alt
import pandas as pd

from tune_app.analysis.comparison import ALONE
from tune_app.analysis.t_tests import LEVEL
from tune_app.export.figures.figure import Drawing, Figure, build_data
from tune_app.export.figures.layout import choose_step
from tune_app.export.figures.rows import add_places, build_rows_axis, list_places
from tune_app.export.figures.theme import WIDTH
from tune_app.export.rounding import format_number
from tune_app.study import Study

MOST = 40  # conditions in one figure
NAME = "compared"
DECIMALS = 3


def build_compared_figure(study: Study, comparison: pd.DataFrame) -> Figure | None:
    """A row for each condition that A shares with another folder; None where there is none.

    By the primary metric of A, whose study `study` is; `comparison` has the columns of comparison.csv.
    """
    rows = comparison[(comparison["metric"] == study.primary) & (comparison["status"] != ALONE)]
    marks = _list_marks(rows)
    if marks.empty:
        return None
    caption, count = "Each mark is the mean of a condition over its fits.", marks["row"].nunique()
    if count > MOST:
        spread = marks.groupby("row", sort=False)["mean"].agg(lambda means: means.max() - means.min())
        caption += f" Shown are the {MOST} of {count} conditions whose means lie farthest apart."
        marks = marks[marks["row"].isin(spread.nlargest(MOST).index)]
    title = _spell_title(rows, marks, study)
    return Figure(NAME, title, caption, _draw(marks, study.primary))


def _list_marks(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per mark: the condition, the folder's letter, and its mean. A stands in every row of the comparison."""
    first = rows[["row", "mean_first"]].set_axis(["row", "mean"], axis=1).assign(folder="A")
    others = rows[["row", "study", "mean_second"]].set_axis(["row", "folder", "mean"], axis=1)
    marks = pd.concat([first, others], ignore_index=True).dropna(subset="mean")
    return marks.drop_duplicates(["row", "folder"])


def _spell_title(rows: pd.DataFrame, marks: pd.DataFrame, study: Study) -> str:
    """How many differences are decided; where none is tested, from where to where the means run."""
    words = study.primary.replace("_", " ")
    tested = rows[rows["p_value"].notna()]
    if tested.empty:
        low, high = (marks.loc[marks["mean"] == end].iloc[0] for end in (marks["mean"].min(), marks["mean"].max()))
        ends = [f"{format_number(float(end['mean']), DECIMALS)} ({end['folder']})" for end in (low, high)]
        return f"Mean {words} runs from {ends[0]} to {ends[1]}; no difference between folders is tested"
    decided = tested[tested["p_value"] < 1 - LEVEL]
    count = "None" if decided.empty else "One" if len(decided) == 1 else str(len(decided))
    verb = "differ" if len(decided) > 1 else "differs"
    means = f"{len(tested)} mean{'s' * (len(tested) > 1)}"
    return f"{count} of {means} {verb} from A's in {words} (5% level, each row by itself)"


def _draw(marks: pd.DataFrame, metric: str) -> Drawing:
    shown = add_places(marks.assign(heading="", label=marks["row"]))
    places = list_places(shown)
    words = metric.replace("_", " ")
    base = alt.Chart(build_data(shown[["row", "place", "folder", "mean"]]))
    ends = shown.groupby(["row", "place"], sort=False)["mean"].agg(["min", "max"])
    span = alt.Chart(build_data(ends.reset_index()))
    y = build_rows_axis(places)
    x = {
        name: alt.X(f"{name}:Q", title=words.capitalize(), scale=alt.Scale(zero=False, padding=10))
        for name in ("min", "mean")
    }
    domain = alt.Scale(domain=list(dict.fromkeys(marks["folder"])))
    return alt.layer(
        span.mark_rule(style="connector").encode(x=x["min"], x2="max:Q", y=y),
        base.mark_point(style="mean", filled=True).encode(
            x=x["mean"],
            y=y,
            color=alt.Color("folder:N", title=None, scale=domain),
            shape=alt.Shape("folder:N", title=None, scale=domain),
        ),
    ).properties(width=WIDTH, height=alt.Step(choose_step(len(places))))
