"""What Ray exports for Prometheus while trials run, and the dashboard that draws it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.builders import Collector, build_study, plan_of
from tune_app import data
from tune_app.executors import ray as on_ray
from tune_app.executors.ray.actors import IN_TURN, build_trainable
from tune_app.executors.ray.gauges import GAUGES
from tune_app.executors.ray.orders import build_space
from tune_app.executors.ray.writers import Writers
from tune_app.plan import WorkItem
from tune_app.records import Record, RecordSet
from tune_app.study import TrialSpec
from tune_app.trial import run_trial

ROOT = Path(__file__).parents[2]
ALONE = "TUNE_APP_TEST_OF_GAUGES"
EXPORTED = {f"ray_tune_app_{name}" for name in GAUGES}


@pytest.fixture
def port() -> Iterator[int]:
    """Where a cluster that reports twice a second exports its metrics."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        on_ray.start_ray(num_cpus=1, num_gpus=0, _system_config={"metrics_report_interval_ms": 500})
        yield ray.nodes()[0]["MetricsExportPort"]  # type: ignore[no-untyped-call]
        on_ray.stop_ray()


@pytest.mark.ray
@pytest.mark.slow
def test_gauges_of_a_running_trial_are_there_for_prometheus(alone_with_ray: None) -> None:
    """In a process of its own: after a cluster with gauges Ray ends a process that starts another."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"{__file__}::{test_read_gauges.__name__}",
    ]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, ALONE: "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.skipif(ALONE not in os.environ, reason="run by the test above")
def test_read_gauges(port: int, digits: data.Data, tmp_path: Path) -> None:
    """The trial waits after its first epoch until it has read its own gauges from Ray's endpoint."""

    def run(spec: TrialSpec, dataset: data.Data, **options: Any) -> Iterator[Record]:
        awaited, text, deadline = False, "", time.monotonic() + 200
        for record in run_trial(spec, dataset, **options):
            while awaited and not all(name in text for name in EXPORTED) and time.monotonic() < deadline:
                time.sleep(0.2)
                with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as reply:
                    text = reply.read().decode()
                (tmp_path / "metrics.txt").write_text(text)
            awaited = True
            yield record

    trial = plan_of(build_study())[0]
    collector = Collector()
    on_ray.run_on_ray([WorkItem(trial, (0,))], digits, collector, device="cpu", run=run)
    epoch = RecordSet(collector.records).epochs[trial.id, 0, 1]
    read = _parse((tmp_path / "metrics.txt").read_text())
    assert set(read) == EXPORTED
    for found in read.values():
        assert all(tags["trial"] == trial.name and tags["fold"] == "1" for tags, _ in found)
    values = {name: found[0][1] for name, found in read.items()}
    assert (values["ray_tune_app_running"], values["ray_tune_app_epoch"]) == (1, 1)
    assert values["ray_tune_app_samples_per_second"] == pytest.approx(epoch.samples_per_second)
    assert 0 < values["ray_tune_app_memory_bytes"] < values["ray_tune_app_memory_share_bytes"]
    scores = {tags["metric"]: value for tags, value in read["ray_tune_app_validation_score"]}
    assert scores == pytest.approx({name: epoch.scores[f"validation_{name}"] for name in ("loss", "accuracy")})


def _parse(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Gauge → tags and value of each of its series."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for name, tags, value in re.findall(r"^(ray_tune_app_\w+)\{(.*)\} (\S+)$", text, re.MULTILINE):
        found.setdefault(name, []).append((dict(re.findall(r'(\w+)="([^"]*)"', tags)), float(value)))
    return found


@pytest.mark.parametrize("reused", [False, True])
def test_an_actor_is_never_called_by_a_trial_that_is_over(reused: bool) -> None:
    first, second = plan_of(build_study())

    def configure(name: str, id: str) -> dict[str, Any]:
        order = {"name": name, "names": {id: name}, "reused": reused, "also": [], "folds": [0], "commit": None}
        return {"order": build_space([order])["order"]["grid_search"][0]}

    actor = build_trainable({}, Writers(None, False, False), run_trial, {})(configure(first.name, first.id))
    label = repr(actor)
    assert label == (IN_TURN if reused else first.name)
    actor.reset_config(configure(second.name, second.id))
    assert not reused or repr(actor) == label, "Ray asks once"


def test_the_panels_for_grafana_ask_for_gauges_that_are_exported() -> None:
    board = json.loads((ROOT / "examples" / "grafana" / "tune_app.json").read_text(encoding="utf-8"))
    asked = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    asked += " ".join(each["query"] for each in board["templating"]["list"])
    assert set(re.findall(r"ray_\w+", asked)) == EXPORTED
    documented = (ROOT / "docs" / "watching.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(ray_\w+)`", documented, re.MULTILINE)) == EXPORTED
