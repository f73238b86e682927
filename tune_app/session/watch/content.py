"""The parts of the page that is served while a study runs, each as HTML by its name."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from tune_app.analysis.claims import build_verdicts
from tune_app.analysis.headline import VerdictRow, build_verdict_rows
from tune_app.analysis.labels import build_rows
from tune_app.analysis.leaderboard import build_leaderboard
from tune_app.analysis.schedule import build_schedule
from tune_app.export.page.templates import open_templates
from tune_app.export.rounding import format_estimate, format_number
from tune_app.export.tables.model import list_records
from tune_app.monitor.terminal import spell_seconds
from tune_app.records.results import Results
from tune_app.study import Study

HERE = Path(__file__).parent
SECTIONS = ("progress", "running", "conditions", "verdicts", "failures", "schedule")
MOST_DRAWN = 400  # fits in the schedule
MOST_FAILED = 50
LANE = 14  # units of the drawing, which is 1000 wide


def _render(name: str, **content: Any) -> str:
    return str(getattr(open_templates(HERE).get_template("sections.html").module, name)(**content))


def build_page(study: Study, parts: Mapping[str, str]) -> str:
    """The page with its parts, which its script fetches anew."""
    metric = study.primary.removeprefix("test_").replace("_", " ")
    return open_templates(HERE).get_template("watch.html").render(study=study, metric=metric, parts=parts)


def read_asset(name: str) -> str:
    """The page's style or script."""
    return (HERE / name).read_text(encoding="utf-8")


def build_state_sections(state: Mapping[str, Any]) -> dict[str, str]:
    """What the run says of itself, without a look at its records; `state` is as `session.watching` has it."""
    left = state["remaining"]
    spelled = {"elapsed": spell_seconds(state["elapsed"]), "left": None if left is None else spell_seconds(left)}
    running = [
        {**each, "score": _spell(each["score"]), "since": spell_seconds(each["seconds"])} for each in state["running"]
    ]
    return {
        "progress": _render("progress", state={**state, **spelled}),
        "running": _render("running", running=running, more=state["more"]),
    }


def build_record_sections(results: Results, selected: Collection[str]) -> dict[str, str]:
    """What follows from the records so far; conditions without any of the `selected` trials are left out."""
    study = results.study
    leaders = [
        row | {name: _spell(row[name]) for name in ("mean", "low", "high")} | {"place": _count(row["place"])}
        for row in list_records(build_leaderboard(results, selected))
    ]
    claims = build_verdict_rows(study, build_verdicts(results)) if study.claims else []
    verdicts = [
        {"row": row, "effect": _spell_effect(row), "reason": row.reason if math.isnan(row.low) else ""}
        for row in claims
    ]
    facts, left_out = study.describe_metric(study.primary), len(build_rows(study)) - len(leaders)
    return {
        "conditions": _render("conditions", leaders=leaders, better=facts.better, unit=facts.unit, left_out=left_out),
        "verdicts": _render("verdicts", verdicts=verdicts),
        "failures": _build_failures(results),
        "schedule": _build_schedule(results),
    }


def _build_failures(results: Results) -> str:
    labels = {spec.id: row.label for row in build_rows(results.study) for spec in row.trials}
    failed = [r for r in results.records.folds.values() if r.status == "failed" and r.trial in labels]
    failed.sort(key=lambda record: -record.started)
    shown = [(labels[record.trial], record) for record in failed[:MOST_FAILED]]
    return _render("failures", failed=shown, more=len(failed) - len(shown))


def _build_schedule(results: Results) -> str:
    """A bar for each fit, in the lane of the device that it ran on."""
    frame = build_schedule(results)
    left_out = max(0, len(frame) - MOST_DRAWN)
    fits = list_records(frame.tail(MOST_DRAWN)) if len(frame) else []
    if not fits:
        return _render("schedule", bars=[], lanes=[], height=0, span="", left_out=0)
    lanes = sorted({(fit["host"], fit["device"], fit["lane"]) for fit in fits})
    begin, end = min(fit["start_minutes"] for fit in fits), max(fit["end_minutes"] for fit in fits)
    scale = 1000 / max(end - begin, 1e-6)
    bars = [
        {
            "x": round((fit["start_minutes"] - begin) * scale, 1),
            "width": round(max(1.0, (fit["end_minutes"] - fit["start_minutes"]) * scale - 1), 1),
            "y": lanes.index((fit["host"], fit["device"], fit["lane"])) * LANE,
            "status": fit["status"],
            "text": f"{fit['row']}, fold {fit['fold']}: {spell_seconds(fit['fit_seconds'])}",
        }
        for fit in fits
    ]
    span = spell_seconds((end - begin) * 60)
    return _render("schedule", bars=bars, lanes=lanes, height=len(lanes) * LANE, span=span, left_out=left_out)


def _spell(score: float | None) -> str:
    return "" if score is None or pd.isna(score) else format_number(score, 4)


def _spell_effect(row: VerdictRow) -> str:
    return " ".join(format_estimate(row.effect, row.low, row.high, sign="+")).replace("-", "−")


def _count(place: Any) -> str:
    return "" if pd.isna(place) else f"{place}."
