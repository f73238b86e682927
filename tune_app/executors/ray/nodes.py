"""The nodes of a cluster, asked from afar: GPU memory, what they lack, what they have in other versions."""

from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tune_app.errors import ResourceError

CHECK_SECONDS = 300  # until a node has unpacked what it was sent, imported torch and built a network or two
GPU_SECONDS = 120  # until it has imported torch and asked the driver


def read_gpu_bytes() -> int | None:
    """The memory of the smallest GPU that this process sees; None without one."""
    import torch  # here, because Ray starts while torch is imported elsewhere

    if not torch.cuda.is_available():
        return None
    return min(torch.cuda.get_device_properties(index).total_memory for index in range(torch.cuda.device_count()))


def find_nodes(*, ask: bool) -> list[Mapping[str, float]]:
    """The resources of the nodes that are alive, with `gpu_bytes`, the memory of one GPU, where there is any to see.

    With `ask` each node with GPUs is asked for that; without, it is this machine's.
    """
    alive = find_alive()
    with_gpus = [node for node in alive if node["Resources"].get("GPU")]
    replies = {node["NodeID"]: _put_question(node, _build_gpu_question()) for node in with_gpus if ask}
    nodes: list[Mapping[str, float]] = []
    for node in alive:
        memory = None
        if node["NodeID"] in replies:
            try:
                memory = ray.get(replies[node["NodeID"]], timeout=GPU_SECONDS)
            except RayError:  # what it lacks is told when nodes are checked
                memory = None
        elif node in with_gpus:
            memory = read_gpu_bytes()
        nodes.append(node["Resources"] | ({"gpu_bytes": memory} if memory else {}))
    return nodes


def check_nodes(
    find_problems: Callable[[], list[str]],
    can_run: Callable[[Mapping[str, float]], bool],
    versions: Mapping[str, str] | None = None,
    *,
    may_differ: bool = False,
) -> list[str]:
    """Ask every node that trials can run on what it lacks, before any of them starts.

    Raises ResourceError with a sentence for each problem that `find_problems` gives there, and for a node that cannot
    be asked; it names the node. One that leaves the cluster meanwhile is no problem. `can_run` is given a node's
    resources. Nodes whose versions are not `versions` are refused alike, unless they `may_differ`: then the sentences
    come back.
    """
    question = _build_check(versions or {}, cloudpickle.dumps(find_problems))  # type: ignore[no-untyped-call]
    able = [node for node in find_alive() if can_run(node["Resources"])]
    asked = [(node, _put_question(node, question)) for node in able]
    differing, problems = [], []
    for node, reply in asked:
        name = f"node {spell_node(node)}"
        others, wrong = _read_reply(reply)
        if wrong and not any(each["NodeID"] == node["NodeID"] for each in find_alive()):
            continue  # it has left the cluster meanwhile, or before its head had noticed: no trial will go there
        differing += [f"{name}: {other}" for other in others]
        problems += [f"{name}: {problem}" for problem in wrong]
    if differing and not may_differ:
        problems = [
            *differing,
            *problems,
            "bit for bit the same numbers need equal versions; install them there, or state with --mixed-versions that "
            "they may differ",
        ]
    if problems:
        raise ResourceError("\n".join(problems))
    return differing


def find_alive() -> list[dict[str, Any]]:
    """What Ray says of each node that is there."""
    return [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]


def spell_node(node: Mapping[str, Any]) -> str:
    """`host (address)`."""
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"


def _put_question(node: Mapping[str, Any], question: Callable[[], Any]) -> Any:
    """The reply to come from a process of its own on that node."""
    there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    # A process that has looked for GPUs keeps what it saw: where there are some, no trial may run in it.
    options: dict[str, Any] = {"max_calls": 1} if node["Resources"].get("GPU") else {}
    remote: Any = ray.remote(num_cpus=0, scheduling_strategy=there, **options)  # type: ignore[call-overload]
    return remote(question).remote()


# Functions within functions travel as they are: to import this file a node would need torch, which it may lack.


def _build_gpu_question() -> Callable[[], int | None]:
    def ask() -> int | None:
        import os

        from tune_app.executors.ray.nodes import read_gpu_bytes

        os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # Ray hides the GPUs from a task that holds none
        return read_gpu_bytes()

    return ask


def _build_check(versions: Mapping[str, str], packed: bytes) -> Callable[[], tuple[list[str], list[str]]]:
    def ask() -> tuple[list[str], list[str]]:
        from tune_app.executors.versions import find_other_versions

        others = find_other_versions(versions)
        try:
            problems = cloudpickle.loads(packed)()
        except ImportError as error:
            problems = [f"trials cannot start there: {type(error).__name__}: {error}"]
        return others, problems

    return ask


def _read_reply(reply: Any) -> tuple[list[str], list[str]]:
    try:
        found: tuple[list[str], list[str]] = ray.get(reply, timeout=CHECK_SECONDS)
    except GetTimeoutError:
        return [], [f"it has not answered for {CHECK_SECONDS} s; see `ray status`, or leave it out of the cluster"]
    except RayError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return [], [f"trials cannot start there: {lines[-1] if lines else type(error).__name__}"]
    return found
