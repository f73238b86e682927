"""Trials in this process, one after the other, without Ray: for debugging, for tests, for machines that lack it."""

from collections.abc import Mapping, Sequence
from typing import Unpack

import torch

from tune_app.data import Data, pick_data
from tune_app.executors.flow import Flow
from tune_app.plan import WorkItem
from tune_app.records.environments import describe_here, mark, read_commit
from tune_app.trial import Carrier, Keep, RunTrial, TrialOptions, run_trial


def run_inline(
    work: Sequence[WorkItem],
    data: Data | Mapping[str, Data],
    flow: Flow,
    *,
    device: str = "auto",
    keep: Keep | None = None,
    carrier: Carrier | None = None,
    run: RunTrial = run_trial,
    **options: Unpack[TrialOptions],
) -> None:
    """Run every item on its data set, of several by name.

    `device` is `cpu`, `cuda`, or `auto`: a GPU for trials with a share of one.
    """
    environment = describe_here(read_commit())
    flow.environment(environment)
    for item in work:
        flow.item_started(item)
        chosen = choose_device(device, item.trial.share.gpus)
        records = run(
            item.trial.spec,
            pick_data(data, item.trial.spec.dataset),
            folds=item.folds,
            device=chosen,
            threads=item.threads,
            also=[trial.spec for trial in item.also],
            keep=keep,
            carrier=carrier,
            **({"data_on_host": True} if item.trial.data_on_host else {}),
            **options,
        )
        for record in records:
            flow.record(mark(record, environment))
        flow.item_ended(item)


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
