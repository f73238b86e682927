"""The conditions in the order of their means, with what is decided; and all pairs of them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tune_app.analysis.labels import build_group
from tune_app.analysis.pairs import MOST_PAIRED, Standing, find_best, find_pairs, find_standings
from tune_app.analysis.unrun import find_unrun
from tune_app.export.tables.contrasts import spell_n
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Row, Table, list_records
from tune_app.export.tables.notes import join_remarks, share_reasons
from tune_app.export.tables.scope import build_scope, spell_estimand
from tune_app.records.results import Results
from tune_app.study.metrics import find_bounds

BEHIND = (
    "Behind: by how much the first one is better, over the pairs of fits that both have; p by Holm over its "
    "comparisons with the others ({})."
)
COUNTED = "Better than, worse than: of how many others that is decided (p < 0.05, adjusted over {})."
OWN = "Each table adjusts p over its own comparisons: a contrast with the baseline may be decided and not be so here."
PAIRS = (
    Column("pair", "condition", wraps=True),
    Column("other", "minus", wraps=True),
    Column("effect", "effect", Kind.ESTIMATE, signed=True),
    Column("effect", "95% interval", Kind.INTERVAL, signed=True),
    Column("p_value", "p", Kind.P_VALUE),
    Column("p_holm", "p, adjusted", Kind.P_VALUE),
    Column("n", "n", settles=True),
    Column("estimand", "speaks of", settles=True),
    Column("status", "status", settles=True),
)


def build_ranking_table(results: Results, ranking: pd.DataFrame) -> Table:
    """A row for each of ranking.csv, a group for each data set."""
    study = results.study
    facts, bounds = study.describe_metric(study.primary), find_bounds(study.primary, study.define)
    columns = (
        Column("row", "row", wraps=True),
        Column("place", "place", Kind.COUNT, least=Medium.PAPER),
        Column("score", study.primary.replace("_", " "), Kind.ESTIMATE, unit=facts.unit),
        Column("score", "95% interval", Kind.INTERVAL, bounds=bounds, least=Medium.SCREEN),
        Column("lag", "behind", Kind.ESTIMATE, signed=True),
        Column("lag", "95% interval", Kind.INTERVAL, signed=True),
        Column("p_holm", "p against the first", Kind.P_VALUE),
        Column("n_better_than", "better than", Kind.COUNT),
        Column("n_worse_than", "worse than", Kind.COUNT, least=Medium.PAPER),
    )
    records = [record for record in list_records(ranking) if record["row"] not in find_unrun(results)]
    groups = tuple(_build_group(results, standing, records) for standing in find_standings(results))
    families, pairs = (
        " and over ".join(dict.fromkeys(record["family"] for record in found if record["family"]))
        for found in (records, find_pairs(results))
    )
    notes = [BEHIND.format(families), COUNTED.format(pairs)] if families else []
    notes += ["Less is better: what is behind has a negative difference."] if facts.better == "lower" else []
    return Table(
        "ranking",
        f"Ranking by {study.primary.replace('_', ' ')}",
        columns,
        groups,
        (*notes, *_explain_left_out(results)),
        build_scope([(record["estimand"], study.primary) for record in records], study),
        tuple(share_reasons([(record["row"], record["reason"]) for record in records if record["reason"]])),
    )


def _build_group(results: Results, standing: Standing, records: list[dict[str, Any]]) -> Group:
    unrun = find_unrun(results)
    members = [*standing.rows, *(row for row, _ in standing.without if row.label not in unrun)]
    group = build_group(results.study, members)
    labels = {row.label: group.label(row) for row in group.rows}
    best = find_best(results, labels)
    rows = tuple(
        Row(
            record
            | {
                "row": labels[record["row"]],
                "score": Estimate(record["mean"], record["ci95_low"], record["ci95_high"]),
                "lag": Estimate(record["behind"], record["behind_low"], record["behind_high"]),
            },
            target=f"trial-{group.rows[place].trials[0].id}",
            best=frozenset(["score"] if record["row"] == best else []),
            key=record["row"],
        )
        for place, record in enumerate(record for record in records if record["data"] == standing.data)
    )
    several = len(results.study.data.names) > 1
    return Group(", ".join(filter(None, [standing.data if several else "", group.caption])), rows)


def _explain_left_out(results: Results) -> list[str]:
    left_out = sum(standing.left_out for standing in find_standings(results))
    if not left_out:
        return []
    return [f"{left_out} conditions with defects in their protocol do not compete: a defect may raise a score."]


def build_pair_table(results: Results, pairs: pd.DataFrame) -> Table:
    """A row for each of pairs.csv."""
    study = results.study
    records = list_records(pairs)
    rows = tuple(
        Row(
            record
            | {
                "pair": record["row"],
                "other": record["other_row"],
                "effect": Estimate(record["effect"], record["ci95_low"], record["ci95_high"]),
                "estimand": spell_estimand(record["estimand"], study),
                "n": spell_n({**record, "n_replicates_against": record["n_replicates_other"]}),
            },
            key=_name(record),
        )
        for record in records
    )
    most = max((len(standing.rows) for standing in find_standings(results)), default=0)
    title = "All pairs" if most <= MOST_PAIRED else "The first one against the rest"
    metric, unit = study.primary.replace("_", " "), study.describe_metric(study.primary).unit
    families = [family for family in dict.fromkeys(record["family"] for record in records) if family]
    reasons = share_reasons([(_name(record), join_remarks(record)) for record in records])
    return Table(
        "pairs",
        f"{title}: {metric}" + (f" ({unit})" if unit else ""),
        PAIRS,
        (Group("", rows),),
        (f"p is adjusted over {' and over '.join(families)}. {OWN}",) if families else (),
        build_scope([(record["estimand"], study.primary) for record in records], study),
        tuple(reasons),
    )


def _name(record: Mapping[str, Any]) -> str:
    return f"{record['row']} against {record['other_row']}"
