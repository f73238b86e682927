"""What nodes are asked before trials run there."""

import numpy as np
import pytest

from tune_app.errors import ResourceError
from tune_app.executors import ray as on_ray
from tune_app.executors.ray.nodes import find_nodes, read_gpu_bytes
from tune_app.executors.versions import find_other_versions
from tune_app.records.environments import read_versions


def test_equal_versions_are_no_matter_and_others_are_named() -> None:
    here = read_versions()
    assert find_other_versions(here) == []
    assert find_other_versions(here | {"numpy": "9.9.9", "ray": "1.0"}) == [f"numpy {np.__version__} there, 9.9.9 here"]
    assert find_other_versions({}) == []


@pytest.mark.slow
def test_gpus_tell_their_memory_where_torch_sees_them(cluster: on_ray.Cluster) -> None:
    memory = read_gpu_bytes()
    for nodes in (cluster.nodes, find_nodes(ask=True)):
        assert [node.get("gpu_bytes") for node in nodes] == [memory]


def test_nodes_of_other_versions_are_refused_or_admitted_with_what_differs(cluster: on_ray.Cluster) -> None:
    versions = read_versions() | {"torch": "1.0"}
    with pytest.raises(ResourceError, match=r"node .*: torch \S+ there, 1\.0 here\n.*\n?.*--mixed-versions"):
        on_ray.check_nodes(lambda: [], lambda node: True, versions)
    (sentence,) = on_ray.check_nodes(lambda: [], lambda node: True, versions, may_differ=True)
    assert sentence.startswith("node ")
    assert on_ray.check_nodes(lambda: [], lambda node: False, versions) == []


def test_what_a_node_cannot_import_is_told_beside_its_versions(cluster: on_ray.Cluster) -> None:
    def find_problems() -> list[str]:
        import a_package_that_is_nowhere  # type: ignore[import-not-found]

        return [str(a_package_that_is_nowhere)]

    with pytest.raises(ResourceError) as caught:
        on_ray.check_nodes(find_problems, lambda node: True, read_versions() | {"numpy": "9.9.9"})
    told = str(caught.value)
    assert "numpy" in told
    assert "trials cannot start there: ModuleNotFoundError: No module named 'a_package_that_is_nowhere'" in told
