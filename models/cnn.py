"""The report's CNN: two convolutions, two linear layers with no activation between them."""

from torch import nn

from tune_app.models.layers import DROPOUT_PROBABILITY, build_channels, check_build


def build_cnn(
    *, image_shape: tuple[int, int, int] = (1, 28, 28), classes: int = 10, regularizer: str = "none", width: float = 1.0
) -> nn.Sequential:
    """(N, *image_shape) float → (N, classes) logits; weights as torch initialises them.

    Batch normalisation stands after the second ReLU, dropout between the linear layers. `width` multiplies the two
    channel counts (8, 16) and the hidden units (4096). Raises ValueError on images under 4×4 pixels.
    """
    dropout, batchnorm = check_build(image_shape, regularizer, min_size=4)
    in_channels, height, image_width = image_shape
    first, second, hidden = (build_channels(n, width) for n in (8, 16, 4096))
    layers: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(in_channels, first, kernel_size=3, padding=1),
        "relu1": nn.ReLU(),
        "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(first, second, kernel_size=3, padding=1),
        "relu2": nn.ReLU(),
    }
    if batchnorm:
        layers["batchnorm"] = nn.BatchNorm2d(second)
    layers["pool2"] = nn.MaxPool2d(2)
    layers["flatten"] = nn.Flatten()
    layers["linear1"] = nn.Linear(second * (height // 4) * (image_width // 4), hidden)
    if dropout:
        layers["dropout"] = nn.Dropout(DROPOUT_PROBABILITY)
    layers["linear2"] = nn.Linear(hidden, classes)
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    return network
