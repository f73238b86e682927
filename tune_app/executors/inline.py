"""Trials in this process, one after the other, without Ray: for debugging, for tests, for machines that lack it.

A trial on several devices has a process beside this one for each further device.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Unpack

import torch

from tune_app.data import Data, pick_data
from tune_app.executors.flow import Flow
from tune_app.executors.peers import LocalPeers, Processes
from tune_app.executors.silence import Silence, find_limit, watch_silence
from tune_app.plan import WorkItem
from tune_app.records.environments import build_key, describe_here, mark, read_commit
from tune_app.trial import Carrier, Checkpointer, Checkpoints, Keep, RunTrial, TrialOptions, run_trial


def run_inline(
    work: Sequence[WorkItem],
    data: Data | Mapping[str, Data],
    flow: Flow,
    *,
    device: str = "auto",
    keep: Keep | None = None,
    carrier: Carrier | None = None,
    run: RunTrial = run_trial,
    checkpoints: Checkpoints | None = None,
    report_within: float | None = None,
    **options: Unpack[TrialOptions],
) -> None:
    """Run every item on its data set, of several by name.

    `device` is `cpu`, `cuda`, or `auto`: a GPU for trials with a share of one. `checkpoints` are kept of long fits. An
    item that reports nothing for longer than `report_within` seconds (None: as its plan has it) is named in a warning.
    """
    environment = describe_here(read_commit())
    checkpointer = Checkpointer(checkpoints.files, build_key(environment)) if checkpoints else None
    flow.environment(environment)
    silence = Silence({item.id: find_limit(item.trial, report_within) for item in work})
    with contextlib.closing(Processes()) as processes, watch_silence(silence, {item.id: item for item in work}):
        for item in work:
            flow.item_started(item)
            silence.heard(item.id)
            chosen, dataset = choose_device(device, item.trial.share.gpus), pick_data(data, item.trial.spec.dataset)
            with _start_peers(processes, item, dataset, chosen, options) as peers:
                records = run(
                    item.trial.spec,
                    dataset,
                    folds=item.folds,
                    device=chosen,
                    threads=item.threads,
                    also=[trial.spec for trial in item.also],
                    keep=keep,
                    carrier=carrier,
                    **peers,
                    **({"data_on_host": True} if item.trial.data_on_host else {}),
                    **({"checkpointer": checkpointer} if is_long(item, checkpoints) else {}),
                    **options,
                )
                with contextlib.closing(records):  # type: ignore[type-var]  # a generator, which may have processes wait
                    for record in records:
                        silence.heard(item.id)
                        flow.record(mark(record, environment))
            silence.ended(item.id)
            flow.item_ended(item)


def is_long(item: WorkItem, checkpoints: Checkpoints | None) -> bool:
    """Whether each of its fits is predicted to take so long that they are kept between epochs."""
    return checkpoints is not None and item.trial.seconds >= checkpoints.after


@contextlib.contextmanager
def _start_peers(
    processes: Processes, item: WorkItem, data: Data, device: torch.device, options: TrialOptions
) -> Iterator[dict[str, LocalPeers]]:
    """The other processes of a trial on several devices, as an argument of `run_trial`; none for one device."""
    if item.trial.share.devices == 1:
        yield {}
        return
    order = item.trial.spec, data, device
    told: dict[str, Any] = {name: value for name, value in options.items() if name != "keep_outputs"}
    with contextlib.closing(LocalPeers(processes, *order, threads=item.threads, **told)) as peers:
        yield {"peers": peers}


def choose_device(device: str, gpus: float) -> torch.device:
    """The device of a trial that holds `gpus` GPUs; RuntimeError if torch cannot see the GPU that it was given."""
    if device == "cpu" or (device == "auto" and gpus == 0):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError(
            f"the trial holds {gpus:g} GPUs, but torch {torch.__version__} sees none (no driver, or a CPU build); "
            "install a CUDA build of torch, or run with --device cpu"
        )
    return torch.device("cuda", torch.cuda.current_device())
