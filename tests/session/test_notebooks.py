"""A study run in a notebook: redrawn in place with ipywidgets, plain lines without."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from tests.builders import study_content

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
RUN = 'tune_app.run_study("small.yaml", executor="inline", device="cpu", fresh=True)'


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The cells of a notebook, executed: a run with ipywidgets, one without, and the plan."""
    folder = tmp_path_factory.mktemp("notebook")
    (folder / "small.yaml").write_text(yaml.safe_dump(study_content()))
    sources = [
        f"import tune_app\n{RUN}",
        f'import sys\nsys.modules["ipywidgets"] = None\n{RUN}',
        'tune_app.build_plan("small.yaml", executor="inline")',
        'tune_app.read_results("results/small").build_figures()["accuracy"]',
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    place = {"metadata": {"path": str(folder)}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("OMP_NUM_THREADS", "1")
        NotebookClient(notebook, timeout=120, kernel_name="python3", resources=place, coalesce_streams=True).execute()
    return list(notebook.cells)


def text_of(cell: Any) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def kinds_of(cell: Any) -> list[set[str]]:
    return [set(output.data) for output in cell.outputs if "data" in output]


def test_with_ipywidgets_the_progress_is_a_widget_that_is_gone_when_the_study_ends(cells: list[Any]) -> None:
    assert {"application/vnd.jupyter.widget-view+json", "text/plain"} in kinds_of(cells[0])
    assert "small: 6 fits in 2 trials to run." in text_of(cells[0])
    assert "[1/6]" not in text_of(cells[0])
    assert {"text/html", "text/plain"} in kinds_of(cells[0]), "the results show themselves"


def test_without_ipywidgets_the_progress_is_a_line_for_each_fit(cells: list[Any]) -> None:
    lines = text_of(cells[1]).splitlines()
    assert [line[:5] for line in lines if line.startswith("[")] == [f"[{done}/6]" for done in range(1, 7)]
    assert kinds_of(cells[1]) == [{"text/html", "text/plain"}], "nothing but the results"


def test_plans_and_figures_show_themselves(cells: list[Any]) -> None:
    assert kinds_of(cells[2]) == [{"text/html", "text/plain"}]
    assert kinds_of(cells[3]) == [{"image/svg+xml", "text/plain"}]
    assert not any(output.get("name") == "stderr" for cell in cells for output in cell.outputs)
