"""Each record names the environment that it was made in: on Ray that of the worker."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import Collector, build_study, plan_of
from tests.folders import ROOT
from tune_app import data
from tune_app.executors import ray as on_ray
from tune_app.executors.inline import run_inline
from tune_app.plan import WorkItem
from tune_app.records import RecordSet
from tune_app.records.environments import build_key, describe_here, read_commit

WORK = [WorkItem(plan_of(build_study())[0], (0, 1))]


@pytest.fixture
def cluster_of_another_version(alone_with_ray: None, tmp_path: Path) -> Iterator[None]:
    """Workers find another torchvision than this process, by the metadata that pip would have written."""
    metadata = tmp_path / "torchvision-9.8.7.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 9.8.7\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        on_ray.start_ray(
            num_cpus=1, num_gpus=0, include_dashboard=False, runtime_env={"env_vars": {"PYTHONPATH": path}}
        )
        yield
        on_ray.stop_ray()


def keys_of(collector: Collector) -> list[str | None]:
    return [record.environment for record in RecordSet(collector.records).folds.values()]


def test_in_this_process_records_name_this_process(digits: data.Data) -> None:
    collector = Collector()
    run_inline(WORK, digits, collector)
    here = describe_here(read_commit())
    assert keys_of(collector) == [build_key(here)] * 2
    assert collector.environments == [here]


@pytest.mark.slow
@pytest.mark.ray
def test_on_ray_records_name_the_workers_own_versions(cluster_of_another_version: None, digits: data.Data) -> None:
    collector = Collector()
    on_ray.run_on_ray(WORK, digits, collector)
    here = describe_here(read_commit())
    (there,) = {build_key(each): each for each in collector.environments}.values()
    assert there["versions"] == here["versions"] | {"torchvision": "9.8.7"}
    assert there["commit"] == here["commit"], "the source is the driver's"
    assert keys_of(collector) == [build_key(there)] * 2 != [build_key(here)] * 2


@pytest.mark.slow
@pytest.mark.ray
def test_where_nothing_differs_ray_and_inline_name_the_same(cluster_alike: None, digits: data.Data) -> None:
    inline, remote = Collector(), Collector()
    run_inline(WORK, digits, inline)
    on_ray.run_on_ray(WORK, digits, remote)
    assert keys_of(remote) == keys_of(inline)


@pytest.fixture
def cluster_alike(alone_with_ray: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        on_ray.start_ray(num_cpus=1, num_gpus=0, include_dashboard=False)
        yield
        on_ray.stop_ray()
