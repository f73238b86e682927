"""One trial: a spec and a data set in, records out."""

from tune_app.trial.carry import BestNetwork, Carried, Carrier, Keep
from tune_app.trial.checkpoint import Checkpointer, CheckpointFiles, Checkpoints
from tune_app.trial.fold import build_network
from tune_app.trial.loop import RunTrial, TrialOptions, run_trial
from tune_app.trial.outputs import KeepOutputs

__all__ = [
    "BestNetwork",
    "Carried",
    "Carrier",
    "CheckpointFiles",
    "Checkpointer",
    "Checkpoints",
    "Keep",
    "KeepOutputs",
    "RunTrial",
    "TrialOptions",
    "build_network",
    "run_trial",
]
