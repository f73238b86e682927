"""Texts of users and strangers in what is exported: CSV, LaTeX, links; and what the source never does."""

import ast
import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import strategies as st

from tests.builders import build_effect_results, fold_record, write_sources
from tests.hostile.inputs import try_each
from tune_app.export.figures.write import Drawn, DrawnFigure, write_drawn
from tune_app.export.frames import quote_formula, write_csv
from tune_app.export.tables.latex import escape_latex
from tune_app.records import RecordSet, record_from_dict, record_to_dict
from tune_app.records.files import write_whole
from tune_app.records.results import read_results

ROOT = Path(__file__).parents[2]
SOURCES = [path for top in ("tune_app", "data", "models") for path in sorted((ROOT / top).rglob("*.py"))]


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd|' /C calc'!A0", "-x", "@SUM(A1)", "\t=1", "\r=1", "=-1", "\n=1", "--1", "-1-1"]
)
def test_a_text_that_a_spreadsheet_would_compute_is_none_in_csv(tmp_path: Path, cell: str) -> None:
    write_csv(tmp_path / "frame.csv", pd.DataFrame({"text": [cell, None, "plain"], "number": [-1.5, 2.0, 3.0]}))
    with (tmp_path / "frame.csv").open(newline="") as lines:
        rows = list(csv.reader(lines))
    assert rows[1:] == [["'" + cell.replace("\r", "\n"), "-1.5"], ["", "2.0"], ["plain", "3.0"]]


@pytest.mark.parametrize("cell", ["-1", "+1.5e-3", "-.5", "-inf", "3", "a=b", "'=1", "", None, -2, 1e-3, "−1"])
def test_a_number_and_another_text_stay_in_csv_as_they_are(cell: Any) -> None:
    assert quote_formula(cell) == cell


def test_no_text_is_a_command_in_latex() -> None:
    def attempt(text: str) -> None:
        escaped = escape_latex(text)
        assert "\n" not in escaped
        left = re.sub(r"\\(?:[{}&%$#_]|text[a-z]+\{\})|\$(?:-|\\pm|\\times|\\rightarrow)\$", "", escaped)
        assert not re.findall(r"[\\{}&%$#_^~]", left)

    pieces = ["\\input{/etc/passwd}", "\\write18{ls}", "^^5cinput", "%", "$$", "--1", "{", "}", "~", "#1", "&", "_"]
    pieces += ["\\", "^^M", "\n\n", "\\\\", "−", "→"]
    try_each(60, st.lists(st.one_of(st.sampled_from(pieces), st.text(max_size=5))).map("".join), attempt)


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    monkeypatch.setattr("os.getpid", lambda: 7)
    for name in ("table.md", ".table.md.7.partial"):
        (tmp_path / name).symlink_to(elsewhere)
    write_whole(tmp_path / "table.md", "theirs")
    assert elsewhere.read_text() == "mine"
    assert (tmp_path / "table.md").read_text() == "theirs"


def test_figures_never_go_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.svg").write_text("mine")
    (tmp_path / "figures").symlink_to(tmp_path / "elsewhere")
    write_drawn(tmp_path / "figures", Drawn({"scores": DrawnFigure("<svg/>", "<svg/>", b"")}, {}, ""))
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["mine.svg"]
    assert (tmp_path / "figures" / "scores.svg").exists()


@pytest.mark.parametrize("address", ["../../x.npz", "/etc/passwd", "outputs/../x/fold-1.npz", "outputs/a/b/fold-1.npz"])
def test_side_files_lie_in_their_folder_alone(tmp_path: Path, address: str) -> None:
    results = build_effect_results()
    (key, record), *_ = results.records.folds.items()
    write_sources(tmp_path / "results", replace(results, records=RecordSet([replace(record, outputs=address)])))
    (damaged,) = read_results(tmp_path / "results").damaged
    assert "no place of side files" in damaged.reason
    assert key[0]


def test_an_error_that_names_a_file_of_other_bytes_can_be_recorded() -> None:
    record = replace(fold_record("cnn-none-k3-r0-00000000", 0, None), error_message="no file caf\udce9")
    assert getattr(record_from_dict(record_to_dict(record)), "error_message", "") == "no file caf\\udce9"


def _list_calls(path: Path) -> list[tuple[str, ast.Call]]:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [(ast.unparse(call.func), call) for call in calls]


def test_nothing_unpickles_a_file_or_evaluates_a_text() -> None:
    """What is unpickled comes from a process of the same run: a trial's peers, Ray's nodes, a watched command."""
    between_processes = {"executors/peers.py": "pickle.loads", "executors/ray/nodes.py": "cloudpickle.loads"}
    between_processes |= {"session/watch/process.py": "pickle.load"}
    allowed = {(ROOT / "tune_app" / name, call) for name, call in between_processes.items()}
    names = r"(?:\w*pickle|joblib|marshal|shelve|dill)\.(?:load|loads|open|Unpickler)|(?:pd|pandas)\.read_pickle"
    names += r"|(?:np|numpy)\.(?:load|fromfile)|eval|exec|yaml\.(?:load|unsafe_load|full_load)|os\.system|os\.popen"
    for path in SOURCES:
        for name, call in _list_calls(path):
            assert not re.fullmatch(names, name) or (path, name) in allowed, f"{path}: {name}"
            if name == "torch.load":
                given = {each.arg: ast.unparse(each.value) for each in call.keywords}
                assert given.get("weights_only") == "True", path
            assert all(each.arg != "shell" for each in call.keywords), path
