"""The conditions of a study over several data sets, a column for each of them."""

import pandas as pd

from tune_app.export.tables.model import Column, Group, Kind, Row, Table, list_records
from tune_app.records.results import Results

SCOPE = "Ranks and p speak of other data sets like these."


def build_data_set_table(results: Results, frame: pd.DataFrame) -> Table:
    """A row for each row of data_sets.csv; below, in how many data sets each condition is better."""
    names = results.study.data.names
    columns = [Column("condition", "condition", wraps=True)]
    columns += [Column(name, name, Kind.NUMBER) for name in names]
    columns += [Column("average_rank", "average rank", Kind.NUMBER, decimals=2)]
    columns += [Column(name, name, Kind.COUNT) for name in ("wins", "ties", "losses")]
    columns += [Column("p_holm", "p (Holm)", Kind.P_VALUE)]
    rows = tuple(Row(record) for record in list_records(frame))
    title = f"{results.study.primary.replace('_', ' ').capitalize()} by data set"
    return Table("data-sets", title, tuple(columns), (Group("", rows),), (frame.attrs["summary"],), SCOPE)
