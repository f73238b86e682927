"""Whether the nodes can hold what the trials ask for."""

from collections.abc import Mapping, Sequence

from tune_app.errors import ResourceError
from tune_app.plan.memory import HEADROOM
from tune_app.plan.trials import PlannedTrial, Share

SMALLEST_SHARE = 0.001  # below, a thousand trials would run at once; Ray counts in steps of a ten-thousandth


def check_shares(plan: Sequence[PlannedTrial], nodes: Sequence[Mapping[str, float]]) -> None:
    """Raise ResourceError for trials that no node can hold; `nodes` gives each node's CPU and GPU capacity."""
    for trial in plan:
        shares = trial.share.cpus, trial.share.gpus
        if not any(shares) or any(0 < share < SMALLEST_SHARE for share in shares):
            raise ResourceError(
                f"trial {trial.id}: asks for {shares[0]:g} CPUs and {shares[1]:g} GPUs; it needs a share of one of "
                f"them, at least {SMALLEST_SHARE:g}; raise --cpus-per-trial, --gpus-per-trial or the entry's own share"
            )
        if trial.share.devices > 1 and 0 < trial.share.gpus < 1:
            raise ResourceError(
                f"trial {trial.id}: asks for {shares[1]:g} GPUs; each of {trial.share.devices} devices needs a GPU of "
                "its own; write gpus_per_trial: 1, or 0 for the CPU"
            )
    problems: dict[tuple[float, float], str] = {}
    for trial in plan:
        cpus, gpus = trial.share.cpus, trial.share.gpus
        if not any(cpus <= node.get("CPU", 0) and gpus <= node.get("GPU", 0) for node in nodes):
            problems.setdefault((cpus, gpus), trial.id)
    if problems:
        capacity = "; ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
        raise ResourceError(
            "\n".join(
                f"trial {trial}: asks for {cpus:g} CPUs and {gpus:g} GPUs, no node has that; nodes have {capacity}; "
                "lower --cpus-per-trial, --gpus-per-trial or the entry's own share"
                for (cpus, gpus), trial in problems.items()
            )
        )
    _check_devices(plan, nodes)
    _check_memory(plan, nodes)


def _check_devices(plan: Sequence[PlannedTrial], nodes: Sequence[Mapping[str, float]]) -> None:
    """Raise ResourceError for a trial on more devices than all nodes hold."""
    for trial in plan:
        held = sum(_count_devices(trial.share, node) for node in nodes)
        if held < trial.share.devices:
            raise ResourceError(
                f"trial {trial.id}: asks for {trial.share.devices} devices of {trial.share.cpus:g} CPUs and "
                f"{trial.share.gpus:g} GPUs each; all nodes together hold {held} of them; lower devices, "
                "--cpus-per-trial or --gpus-per-trial"
            )


def _count_devices(share: Share, node: Mapping[str, float]) -> int:
    """How many devices of that share the node holds at the same time."""
    asked = {"CPU": share.cpus, "GPU": share.gpus}
    # Ray counts in ten-thousandths, where three thirds are one.
    return min(int(node.get(name, 0) / amount + 1e-9) for name, amount in asked.items() if amount)


def _check_memory(plan: Sequence[PlannedTrial], nodes: Sequence[Mapping[str, float]]) -> None:
    """Raise ResourceError for trials whose network a share of no node's GPUs holds, its data set left aside."""
    problems: dict[tuple[float, float], str] = {}
    for trial in plan:
        share, needed = trial.share.gpus, trial.memory.least if trial.memory and trial.device == "cuda" else 0.0
        able = [node for node in nodes if share <= node.get("GPU", 0)]
        rooms = [min(share, 1.0) * node.get("gpu_bytes", float("inf")) for node in able]
        # A stack that does not fit is trained in halves; one fold must fit.
        needed = needed / trial.fits if trial.engine == "stacked" else needed
        if not share or not needed or any(needed <= room for room in rooms):
            continue
        room = max(rooms, default=0.0)
        enough = min(1.0, share * needed * HEADROOM / room) if room else 1.0
        remedy = (
            f"give it --gpus-per-trial {enough:.2g} or more, or lower the batch size or the width"
            if needed <= room / min(share, 1.0)
            else "no GPU here has that; lower the batch size or the width"
        )
        problems.setdefault(
            (share, needed),
            f"trial {trial.id}: its network needs about {needed / 2**30:.1f} GiB of a GPU, and its share of {share:g} "
            f"holds {room / 2**30:.1f} GiB; {remedy}",
        )
    if problems:
        raise ResourceError("\n".join(problems.values()))
