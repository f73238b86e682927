"""The benchmark of a GPU: what of it can be run without one, on the CPU and tiny."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import FOUND, MARKDOWN, NO_GPU, PARTS, TINY, check_graph, compare_scores, main, run_parts

CPU = torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.strip() == NO_GPU
    assert not list(tmp_path.iterdir())


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "scores,grpah"])
    assert "--only grpah: choose from scores, graph, shares, engines, peers, vgg" in capsys.readouterr().err


def test_the_graph_part_gives_a_row_for_each_step() -> None:
    table = check_graph(CPU, TINY)
    assert table["step"].tolist() == ["captured", "spoiled", "scaled"]
    assert not table["in a graph"].any(), "there are none on a CPU"
    assert table["validation accuracy"].between(0, 1).all()


@pytest.mark.slow
def test_on_the_cpu_scores_equal_those_of_the_cpu_where_the_engine_and_the_precision_do() -> None:
    table = compare_scores(CPU, TINY)
    same = table[(table["asked"] == "eager") & (table["precision"] == "fp32")]
    assert (same["to the CPU"] == 0).all()
    assert set(same["on host"]) == {False, True}
    assert len(table) == 4 * 10


def test_parts_are_written_one_by_one_and_those_of_earlier_calls_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(device: torch.device, size: object) -> None:
        """Fails."""
        raise RuntimeError("no such kernel")

    monkeypatch.setitem(PARTS, "shares", fail)
    run_parts(["shares"], CPU, TINY, tmp_path)
    text = run_parts(["graph"], CPU, TINY, tmp_path)
    assert list(json.loads((tmp_path / FOUND).read_text())) == ["shares", "graph"]
    assert text == (tmp_path / MARKDOWN).read_text()
    assert "It failed: RuntimeError: no such kernel" in text
    assert "n = 3 rows" in text
    assert "## vgg\n\nUnmeasured." in text


@pytest.mark.slow
def test_the_shares_part_runs_on_the_cpu_without_anything_to_outgrow(tmp_path: Path) -> None:
    text = run_parts(["shares"], CPU, TINY, tmp_path)
    assert "0.75 of what it needs" in text
    assert "It failed" not in text
