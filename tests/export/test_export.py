"""What a results folder holds: every column documented, every table rounded by its uncertainty."""

import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from tests.builders import build_results, build_study, write_sources
from tune_app.analysis.audit.costs import build_waterfall
from tune_app.analysis.conditions import build_condition_scores
from tune_app.analysis.pairs import COLUMNS, RANKING
from tune_app.export.folder import write_results
from tune_app.export.frames import TIDY, build_frames, build_json, write_csv
from tune_app.export.rounding import choose_decimals, format_estimate, format_number, format_p_value, format_share
from tune_app.export.tables.audit import build_audit_table
from tune_app.export.tables.cells import spell
from tune_app.export.tables.document import build_document, build_tables
from tune_app.export.tables.latex import escape_latex, render_latex
from tune_app.export.tables.reference import build_check_table
from tune_app.export.tables.summary import build_terminal_tables
from tune_app.records.results import Reported, Results, read_results
from tune_app.report import main

ROOT = Path(__file__).parents[2]
CLAIM = {
    "sentence": "Dropout & co. help by 5% <b>x</b> | {a_b}.",
    "levels": {"regularizer": "dropout"},
    "against": {"regularizer": "none"},
    "expect": "higher",
}


def results_of(**changes: Any) -> Results:
    grid = [{"model": "cnn", "width": 0.05, "regularizer": ["none", "dropout"], "folds": 3}]
    study = build_study(**({"grid": grid, "replicates": 3, "claims": [CLAIM]} | changes))
    source = np.random.default_rng(0)
    return build_results(study, lambda spec, fold: float(0.9 + 0.01 * source.random()))


def render(results: Results) -> tuple[str, str]:
    """The tables on paper, as Markdown and as LaTeX."""
    tables = build_tables(results, build_frames(results)).on_paper
    return build_document(results, tables), render_latex(tables, results.study.name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder, to be read alone."""
    folder = tmp_path_factory.mktemp("results") / "small"
    write_results(folder, replace(results_of(), environment={"versions": {"torch": "2"}}))
    return folder


@pytest.mark.parametrize(
    "name", ["epochs", "folds", "trials", "conditions", "contrasts", "claims", "outlook", "audit", "reference_check"]
)
def test_every_exported_column_is_documented(name: str) -> None:
    text = (ROOT / "docs" / "results.md").read_text()
    (section,) = re.findall(rf"^## {name}\.csv.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    documented = set(re.findall(r"`(\w+)`", section)) | set(build_audited_results().study.factors)
    assert set(build_frames(build_audited_results())[name].columns) <= documented


@pytest.mark.parametrize(("name", "columns"), [("ranking", RANKING), ("pairs", COLUMNS)])
def test_every_column_of_who_is_better_is_documented(name: str, columns: tuple[str, ...]) -> None:
    text = (ROOT / "docs" / "results.md").read_text()
    (section,) = re.findall(rf"^## {name}\.csv.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert set(columns) <= set(re.findall(r"`(\w+)`", section))


def test_every_file_is_documented(folder: Path) -> None:
    text = (ROOT / "docs" / "results.md").read_text()
    names = {path.relative_to(folder).parts[0] for path in folder.rglob("*")}
    assert names <= set(re.findall(r"`([\w.]+)`", text))


def test_parquet_csv_and_json_hold_the_same_numbers_at_full_precision(folder: Path) -> None:
    frames = build_frames(read_results(folder))
    for name in TIDY:
        read, built = (
            frame.astype(object).where(frame.notna(), None)
            for frame in (pd.read_parquet(folder / f"{name}.parquet"), frames[name])
        )
        pd.testing.assert_frame_equal(read, built)
    written = pd.read_csv(folder / "contrasts.csv")
    assert written["effect"].dropna().tolist() == frames["contrasts"]["effect"].dropna().tolist()
    content = json.loads((folder / "results.json").read_text())
    assert [row["p_holm"] for row in content["contrasts"]][:1] == frames["contrasts"]["p_holm"].tolist()[:1]
    assert content["claims"][0]["sentence"] == CLAIM["sentence"]
    assert content["study"]["name"] == "small"


def test_writing_the_same_results_again_changes_no_byte(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "small"
    shutil.copytree(folder, copy)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    write_results(copy, read_results(copy))
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_the_verdicts_come_first_and_user_text_is_escaped(folder: Path) -> None:
    markdown, latex = (folder / "table.md").read_text(), (folder / "table.tex").read_text()
    assert markdown.index("## Claims") < markdown.index("## Conditions") < markdown.index("## Contrasts")
    assert "&lt;b>x&lt;/b> \\| {a_b}" in markdown
    assert r"Dropout \& co. help by 5\% \textless{}b\textgreater{}x\textless{}/b\textgreater{}" in latex
    assert r"\textbar{} \{a\_b\}" in latex
    assert latex.count("\\toprule\n") == latex.count("\\bottomrule\n") == latex.count(r"\begin{table}") == 4
    columns = {line.count("&") - line.count(r"\&") for line in latex.splitlines() if line.endswith(r"\\")}
    assert columns == {2, 4, 5}
    specifications = re.findall(r"\\begin\{tabular\}\{@\{\}(.*)@\{\}\}", latex)
    kinds = [re.sub(r"p\{.*?\}", "p", specification) for specification in specifications]
    assert kinds == ["rplrr", "lrr", "lrrrrr", "lrrrl"], "words to the left, numbers to the right"
    assert latex.count(r"\begin{minipage}") == 4, "how to read each of them, and the reason of the verdict"


def test_a_study_without_claims_has_no_table_of_them(tmp_path: Path) -> None:
    results = results_of(claims=[])
    markdown, _ = render(results)
    assert "## Claims" not in markdown
    write_csv(tmp_path / "claims.csv", build_frames(results)["claims"])
    assert (tmp_path / "claims.csv").read_text().startswith("sentence,verdict,")


def test_a_study_of_one_condition_has_no_contrasts(tmp_path: Path) -> None:
    results = results_of(claims=[], grid=[{"model": "cnn", "width": 0.05, "folds": 3}])
    markdown, _ = render(results)
    assert "## Contrasts" not in markdown
    write_csv(tmp_path / "contrasts.csv", build_frames(results)["contrasts"])
    frame = pd.read_csv(tmp_path / "contrasts.csv")
    assert frame.empty
    assert {"metric", "effect", "reason"} <= set(frame.columns)


def test_words_of_users_never_break_a_table() -> None:
    claim = CLAIM | {"sentence": "[a] first | line\nand [/red] second"}
    labels = [{"label": "[b_c] | <i>", "regularizer": "dropout"}]
    markdown, latex = render(results_of(claims=[claim], title="A <i>title</i>\n# twice", labels=labels))
    assert markdown.startswith("# A &lt;i>title&lt;/i> # twice\n")
    assert "| [a] first \\| line and [/red] second |" in markdown
    rows = [line.strip() for line in latex.splitlines() if "b_c" in line.replace("\\", "") and line.endswith(r"\\")]
    assert rows
    assert all(row.startswith(("{}[b\\_c]", r"\raggedright [b\_c]")) for row in rows), (
        "or the bracket were an argument of the line break before"
    )
    console = Console(file=io.StringIO(), width=120)
    for table in build_terminal_tables(results_of(claims=[claim])):
        console.print(table)
    assert "[/red]" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_long_table_runs_over_pages_in_latex() -> None:
    grid = [{"model": "cnn", "width": [0.05 + 0.01 * n for n in range(70)], "folds": 3}]
    _, latex = render(results_of(claims=[], grid=grid, replicates=1))
    assert latex.count(r"\begin{longtable}") == latex.count(r"\end{longtable}") == 3
    assert "tabular" not in latex
    assert "longtable" in latex.splitlines()[0]


def test_shares_are_whole_percents_and_zero_has_no_sign() -> None:
    assert [format_share(share) for share in (-0.0014, 0.0049, 1.024, -0.39, None)] == ["0%", "0%", "102%", "-39%", "–"]


def test_what_does_not_exist_is_null_in_json_and_empty_in_csv(tmp_path: Path) -> None:
    results = results_of(replicates=1)
    frames = build_frames(results)
    content = json.loads(build_json(results, frames))
    row = next(row for row in content["contrasts"] if row["metric"] == "validation_accuracy")
    assert (row["status"], row["p_value"]) == ("interval only", None)
    write_csv(tmp_path / "contrasts.csv", frames["contrasts"])
    written = pd.read_csv(tmp_path / "contrasts.csv").set_index("metric")
    assert written["p_value"].isna()["validation_accuracy"]
    assert written["ci95_low"].notna()["validation_accuracy"]


def build_audited_results() -> Results:
    skips, whole = "test-skips-layers", "as-reported"
    protocols = ["sound", whole, f"{whole} without {skips}", skips]
    grid = [{"model": "cnn", "regularizer": "batchnorm", "folds": 4, "protocol": protocols}]
    study = build_study(grid=grid, replicates=3, baseline={"protocol": "sound"}, data={"name": "digits"})
    source = np.random.default_rng(0)
    results = build_results(study, lambda spec, fold: 0.95 - 0.2 * (skips in spec.protocol) + 0.01 * source.random())
    return replace(results, reference={("cnn", "batchnorm", 4): Reported("CNN+BN", 0.756, "")})


def test_the_audits_tables_say_what_its_frames_hold() -> None:
    results = build_audited_results()
    frames = build_frames(results)
    audit, check = build_audit_table(results, frames["audit"]), build_check_table(results, frames["reference_check"])
    cells = [{column.heading: spell(row, column) for column in audit.columns} for row in audit.rows]
    assert [(c["defect"], c["way"]) for c in cells] == list(
        zip(frames["audit"]["defect"], frames["audit"]["way"], strict=True)
    )
    removed = next(c for c in cells if c["way"] == "taken away from as-reported")
    assert removed["without"].startswith("0.95")
    assert removed["with"].startswith("0.75")
    assert removed["cost"].startswith("+0.2")
    shared = next(c for c in cells if (c["defect"], c["way"]) == ("test-skips-layers", "share of the gap"))
    assert shared["of the gap"] in ("99%", "100%", "101%")
    assert shared["interval by"] == "Fieller"
    assert (removed["n with"], removed["explains"]) == ("3", "more than half of the gap")
    assert not any("explains" in note for note in audit.notes), "no conclusion without the report's own hypothesis"
    (row,) = ({column.heading: spell(row, column) for column in check.columns} for row in check.rows)
    assert (row["reported"], row["replicates"], row["range holds"]) == ("0.7560", "3", "50%")
    assert row["sound"].startswith("0.95")


def test_the_waterfall_leads_from_as_reported_to_sound() -> None:
    frame = build_frames(build_audited_results())["audit"]
    steps = build_waterfall(frame)
    assert steps["kind"].tolist() == ["total", "change", "change", "total"]
    assert steps["points"].iloc[:-1].sum() == pytest.approx(steps["points"].iloc[-1]), "nothing is left over"
    changes = steps.iloc[1:3].set_index("step")
    assert set(changes.index) == {"test-skips-layers", "the rest"}
    assert changes["points"].is_monotonic_increasing, "no step leads above the sound score"
    share = frame[(frame["way"] == "share of the gap") & (frame["defect"] == "test-skips-layers")].iloc[0]
    for name, shown in (("cost", "points"), ("ci95_low", "ci95_low"), ("ci95_high", "ci95_high")):
        assert changes[shown]["test-skips-layers"] == pytest.approx(100 * share[name])


@pytest.mark.parametrize(
    ("half_width", "decimals"), [(0.0094, 4), (0.117, 2), (0.096, 3), (12.0, 0), (150.0, 0), (None, 4), (1e-17, 4)]
)
def test_the_half_width_keeps_two_digits(half_width: float | None, decimals: int) -> None:
    assert choose_decimals(half_width) == decimals


def test_a_number_and_its_interval_are_rounded_alike() -> None:
    assert format_estimate(0.012345, 0.0023, 0.0223, sign="+") == ("+0.012", "[+0.002, +0.022]")
    assert format_estimate(0.5, None, None) == ("0.5000", "–")
    assert format_number(float("nan")) == "–"
    assert [format_p_value(p) for p in (0.0002, 0.0412, None)] == ["<0.001", "0.041", "–"]


def test_latex_prints_every_character_as_itself() -> None:
    assert escape_latex("a_b & 50% #1 $x$ ~ ^ \\ {}") == (
        r"a\_b \& 50\% \#1 \$x\$ \textasciitilde{} \textasciicircum{} \textbackslash{} \{\}"
    )
    assert escape_latex("[-0.5, 0.1] vgg-10") == "[$-$0.5, 0.1] vgg-10"


def test_a_narrow_terminal_shows_claims_in_words(folder: Path) -> None:
    console = Console(file=io.StringIO(), width=80)
    for table in build_terminal_tables(read_results(folder)):
        console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Dropout & co. help by 5%" in text
    assert "undecided" in text


def test_of_many_conditions_the_terminal_shows_the_best(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tune_app.export.tables.summary.MOST_ROWS", 1)
    results = read_results(folder)
    scores = build_condition_scores(results)
    means = scores[scores["metric"] == "test_accuracy"].set_index("row")["mean"]
    console = Console(file=io.StringIO(), width=100)
    for table in build_terminal_tables(results):
        console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"These are the 1 of {len(means)} conditions with the best test accuracy; table.md has all." in text
    table = text[: text.index("These are")].split("interval")[-1]
    assert len([line for line in table.splitlines() if re.search(r"\d\.\d", line)]) == 1
    assert str(means.idxmax()).split(",")[0] in table


def test_two_folders_are_compared_and_left_as_they_are(
    folder: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other"
    write_sources(other, replace(results_of(seed=1), environment={"versions": {"torch": "3"}}))
    before = {path: path.read_bytes() for place in (folder, other) for path in place.rglob("*") if path.is_file()}
    assert main([str(folder), str(other)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"study\.seed +0 +1", out)
    assert re.search(r"versions\.torch +2 +3", out)
    assert "B\u00a0−\u00a0A" in out
    after = {path: path.read_bytes() for place in (folder, other) for path in place.rglob("*") if path.is_file()}
    assert after == before
    assert (tmp_path / "results" / f"{folder.name}-and-other" / "index.html").is_file()


def test_the_shipped_tables_follow_from_their_records() -> None:
    shipped = ROOT / "results" / "quick"
    markdown, latex = render(read_results(shipped))
    assert markdown == (shipped / "table.md").read_text()
    assert latex == (shipped / "table.tex").read_text()
