"""The networks that a study can name: one registry, `MODELS`; one file per family.

`MODELS[name](image_shape=…, classes=…, regularizer=…, width=…)` builds a network with fresh weights from torch's
global random state. To add a family, write its file and add its line here.
"""

from collections.abc import Callable
from functools import partial

from torch import nn

from tune_app.models.cnn import build_cnn
from tune_app.models.layers import REGULARIZERS
from tune_app.models.vgg import build_vgg
from tune_app.models.weights import load_network, read_weights, write_weights

MODELS: dict[str, Callable[..., nn.Module]] = {
    "cnn": build_cnn,
    "vgg10": partial(build_vgg, "vgg10"),
    "vgg12": partial(build_vgg, "vgg12"),
    "vgg15": partial(build_vgg, "vgg15"),
    "vgg18": partial(build_vgg, "vgg18"),
}

__all__ = ["MODELS", "REGULARIZERS", "build_cnn", "build_vgg", "load_network", "read_weights", "write_weights"]
