"""Networks of a user's own that do something on the second of two devices, in the middle of a fit."""

NETS = """
import os
import signal
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn


class Net(nn.Sequential):
    steps = 0

    def forward(self, x):
        if self.training and dist.is_initialized() and dist.get_rank() == 1:
            self.steps += 1
            if self.steps == 3:
                act()
        return super().forward(x)


def build_net(*, inputs, outputs):
    return Net(nn.Flatten(), nn.Linear(inputs[0], 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, outputs))
"""
FAIL = """

def act():
    raise ValueError("this device is broken")
"""
DIE_ONCE = """

def act():
    marker = Path(MARKER)
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
"""
GRID = [{"model": "net", "folds": 2, "devices": 2}]
RECIPE = {"epochs": 2, "batch_size": 20}
