"""What each defect costs, in groups by setting, and the conclusions below."""

from dataclasses import replace
from typing import Any

import pandas as pd

from tune_app.analysis.audit.conclusions import build_conclusions
from tune_app.analysis.audit.settings import SHARED, Setting, find_settings
from tune_app.analysis.labels import ROWS_A_GROUP, build_row_label
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Row, Table, list_records
from tune_app.export.tables.notes import share_reasons
from tune_app.export.tables.scope import ESTIMAND, build_scope
from tune_app.records.results import Results

PROTOCOL = ("protocol",)  # settings are conditions without it
SETTING = Column("row", "row", wraps=True)
COLUMNS = (
    Column("defect", "defect", wraps=True),
    Column("way", "way", wraps=True, settles=True),
    Column("replicates_without", "n without", Kind.COUNT, least=Medium.PAPER, settles=True),
    Column("replicates_with", "n with", Kind.COUNT, least=Medium.PAPER, settles=True),
    Column("collapsed_without", "collapsed without", Kind.COUNT, least=Medium.SCREEN),
    Column("collapsed_with", "collapsed with", Kind.COUNT, least=Medium.PAPER, settles=True),
    Column("accuracy_without", "without", Kind.NUMBER),
    Column("accuracy_with", "with", Kind.NUMBER),
    Column("cost", "cost", Kind.ESTIMATE, signed=True),
    Column("cost", "95% interval", Kind.INTERVAL, signed=True),
    Column("cost_median", "median", Kind.NUMBER, signed=True, least=Medium.PAPER),
    Column("share_of_gap", "of the gap", Kind.SHARE),
    Column("share_low", "from", Kind.SHARE, least=Medium.PAPER),
    Column("share_high", "to", Kind.SHARE, least=Medium.PAPER),
    Column("share_interval", "interval by", least=Medium.SCREEN, settles=True),
    Column("share_of_reported_gap", "of the reported gap", Kind.SHARE, least=Medium.PAPER),
    Column("explains", "explains", wraps=True),
    Column("p_value", "p", Kind.P_VALUE, least=Medium.PAPER),
    Column("p_holm", "p (Holm)", Kind.P_VALUE),
    Column("explains_unadjusted", "before adjustment", least=Medium.SCREEN),
    Column("test", "test", least=Medium.SCREEN, settles=True),
    Column("family", "family", least=Medium.SCREEN, settles=True),
    Column("method", "method", least=Medium.SCREEN, settles=True),
    replace(ESTIMAND, least=Medium.PAPER),
)
EXPLANATION = (
    "Costs are test accuracies (share) without the defect minus with it; n are replicates. Verdicts speak of these "
    "test images, with other seeds and splits."
)
COLLAPSE = "A network has collapsed if its accuracy is below half of the median of its condition's."


def build_audit_table(results: Results, audit: pd.DataFrame) -> Table:
    """A row for each of audit.csv: a group for each setting, or one group where settings have few rows."""
    settings = {build_row_label(setting.spec, results.study, PROTOCOL): setting for setting in find_settings(results)}
    records = list_records(audit)
    reasons = share_reasons([(f"{record['setting']}, {record['defect']}", record["reason"]) for record in records])
    notes = (EXPLANATION, *_explain(audit), *build_conclusions(audit))
    scope = build_scope([(record["estimand"], "test_accuracy") for record in records], results.study)
    named = {record["setting"]: settings[record["setting"]] for record in records}
    if len(records) >= ROWS_A_GROUP * len(named):
        groups = tuple(
            _build_group(results, {label: setting}, [record for record in records if record["setting"] == label])
            for label, setting in named.items()
        )
        return Table("audit", "What the defects cost", COLUMNS, groups, notes, scope, tuple(reasons))
    group = _build_group(results, named, records)
    return Table("audit", "What the defects cost", (SETTING, *COLUMNS), (group,), notes, scope, tuple(reasons))


def _explain(audit: pd.DataFrame) -> list[str]:
    """What must be known of shares, adjustment and collapse, where the table has them."""
    if audit.empty:
        return []
    families = [name for name in dict.fromkeys(audit["family"]) if name]
    sizes = [
        f"{name} ({count})" for name in families if (count := int(audit.loc[audit["family"] == name, "p_holm"].count()))
    ]
    methods = [name for name in dict.fromkeys(audit.loc[audit["way"] == SHARED, "method"]) if name]
    collapsed = audit[["collapsed_without", "collapsed_with"]].fillna(0).to_numpy().any()
    return [
        *([f"Verdicts are adjusted by Holm over {' and over '.join(sizes)}."] if sizes else []),
        *([f"Shares of the gap: {'; '.join(methods)}."] if methods else []),
        *([COLLAPSE] if collapsed else []),
    ]


def _build_group(results: Results, settings: dict[str, Setting], records: list[dict[str, Any]]) -> Group:
    conditions = {label: setting.spec.condition for label, setting in settings.items()}
    labelling = results.study.labelling.within(list(conditions.values()))
    rows = tuple(
        Row(
            {
                **record,
                "row": labelling.label(conditions[record["setting"]], PROTOCOL),
                "cost": Estimate(record["cost"], record["ci95_low"], record["ci95_high"]),
            },
            key=f"{record['setting']}, {record['defect']}",
        )
        for record in records
    )
    return Group(labelling.build_caption(PROTOCOL), rows)
