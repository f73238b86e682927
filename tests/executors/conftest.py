"""A cluster for the tests of a file: starting it takes longer than most of them."""

from collections.abc import Iterator

import pytest

from tune_app.executors import ray as on_ray


@pytest.fixture(scope="module")
def cluster(alone_with_ray: None) -> Iterator[on_ray.Cluster]:
    """Two cores and two GPUs that are none: Ray schedules by numbers alone. Another cluster's address is no matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", "127.0.0.1:1")
        yield on_ray.start_ray(num_cpus=2, num_gpus=2, include_dashboard=False)
        on_ray.stop_ray()
