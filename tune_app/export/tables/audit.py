"""What each defect costs, in groups by setting, and the conclusions below."""

from dataclasses import replace
from typing import Any

import pandas as pd

from tune_app.analysis.audit.conclusions import build_conclusions
from tune_app.analysis.audit.settings import SHARED, Setting, find_settings
from tune_app.analysis.labels import ROWS_A_GROUP, build_row_label
from tune_app.export.tables.model import Column, Estimate, Group, Kind, Medium, Row, Table, list_records
from tune_app.export.tables.notes import share_reasons
from tune_app.export.tables.scope import ESTIMAND, build_scope, do_differ
from tune_app.records.results import Results
from tune_app.study.protocol import DEFECTS

PROTOCOL = ("protocol",)  # settings are conditions without it
SETTING = Column("row", "row", wraps=True)
COLUMNS = (
    Column("defect", "defect", wraps=True),
    Column("way", "way", wraps=True),
    Column("replicates_without", "n without", Kind.COUNT, least=Medium.PAPER, settles=True),
    Column("replicates_with", "n with", Kind.COUNT, least=Medium.PAPER, settles=True),
    Column("collapsed_without", "collapsed without", Kind.COUNT, least=Medium.SCREEN),
    Column("collapsed_with", "collapsed with", Kind.COUNT, least=Medium.PAPER),
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
EXPLANATION = "Costs are test accuracies (share) without the defect minus with it; n are replicates."
GAINS = "Where a cost is negative, the defect raises the score."
VERDICTS = "The verdicts speak of these very test images, with other seeds and splits."
COLLAPSE = "A network has collapsed if its accuracy is below half of the median of its condition's."


def build_audit_table(results: Results, audit: pd.DataFrame) -> Table:
    """A row for each of audit.csv: a group for each setting, or one group where settings have few rows."""
    settings = {build_row_label(setting.spec, results.study, PROTOCOL): setting for setting in find_settings(results)}
    collapsed = ["collapsed_without", "collapsed_with"]
    if not audit[collapsed].fillna(0).to_numpy().any():
        audit = audit.assign(**dict.fromkeys(collapsed))
    records = list_records(audit)
    reasons = share_reasons([(f"{record['setting']}, {record['defect']}", record["reason"]) for record in records])
    notes = (EXPLANATION, *_explain(audit), *_describe_defects(results), *build_conclusions(audit))
    scope = build_scope([(record["estimand"], "test_accuracy") for record in records], results.study)
    named = {record["setting"]: settings[record["setting"]] for record in records}
    columns = tuple(each for each in COLUMNS if each.name != ESTIMAND.name or do_differ(audit["estimand"]))
    if len(records) >= ROWS_A_GROUP * len(named):
        groups = tuple(
            _build_group(results, {label: setting}, [record for record in records if record["setting"] == label])
            for label, setting in named.items()
        )
        return Table("audit", "What the defects cost", columns, groups, notes, scope, tuple(reasons))
    group = _build_group(results, named, records)
    return Table("audit", "What the defects cost", (SETTING, *columns), (group,), notes, scope, tuple(reasons))


def _explain(audit: pd.DataFrame) -> list[str]:
    """What must be known of shares, adjustment and collapse, where the table has them."""
    if audit.empty:
        return []
    families = [name for name in dict.fromkeys(audit["family"]) if name]
    sizes = [
        f"{name} ({count})" for name in families if (count := int(audit.loc[audit["family"] == name, "p_holm"].count()))
    ]
    has_verdicts = bool(audit["explains"].astype(bool).any())
    methods = [name for name in dict.fromkeys(audit.loc[audit["way"] == SHARED, "method"]) if name]
    collapsed = audit[["collapsed_without", "collapsed_with"]].fillna(0).to_numpy().any()
    return [
        *([GAINS] if (audit["cost"] < 0).any() else []),
        *([VERDICTS] if has_verdicts else []),
        *([f"Verdicts are adjusted by Holm over {' and over '.join(sizes)}."] if sizes else []),
        *([f"Shares of the gap: {'; '.join(methods)}."] if methods else []),
        *([COLLAPSE] if collapsed else []),
    ]


def _describe_defects(results: Results) -> list[str]:
    """What the study's defects are, in a sentence."""
    found = {name for specs in results.study.conditions() for name in specs[0].protocol}
    parts = [f"{name} ({defect.about})" for name, defect in DEFECTS.items() if name in found]
    return [f"The defects: {'; '.join(parts)}."] if parts else []


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
