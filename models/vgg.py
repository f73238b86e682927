"""The report's VGG family. The names are the report's: by the VGG paper's count they have 11, 13, 15 and 18 layers."""

from torch import nn

from tune_app.models.layers import DROPOUT_PROBABILITY, build_channels, check_build

# Output channels of each 3×3 convolution; "M" is 2×2 max pooling.
CONVOLUTIONS: dict[str, str] = {
    "vgg10": "64 M 128 256 256 M 512 512 512 512",
    "vgg12": "64 64 M 128 128 256 256 M 512 512 512 512",
    "vgg15": "64 64 M 128 128 256 256 256 M 512 512 512 512 512",
    "vgg18": "64 64 M 128 128 M 256 256 256 256 512 512 512 512 512 512 512",
}


def build_vgg(
    name: str,
    *,
    image_shape: tuple[int, int, int] = (1, 28, 28),
    classes: int = 10,
    regularizer: str = "dropout+batchnorm",
    width: float = 1.0,
) -> nn.Sequential:
    """(N, *image_shape) float → (N, classes) logits.

    Batch normalisation follows each convolution, dropout each hidden linear layer. `width` multiplies every channel
    count and the 4096 hidden units. Raises ValueError on images under 4×4 pixels.
    """
    dropout, batchnorm = check_build(image_shape, regularizer, min_size=4)
    features: list[nn.Module] = []
    channels = image_shape[0]
    for token in CONVOLUTIONS[name].split():
        if token == "M":
            features.append(nn.MaxPool2d(2))
            continue
        out_channels = build_channels(int(token), width)
        features.append(nn.Conv2d(channels, out_channels, kernel_size=3, padding=1))
        if batchnorm:
            features.append(nn.BatchNorm2d(out_channels))
        features.append(nn.ReLU(inplace=True))
        channels = out_channels
    hidden = build_channels(4096, width)
    classifier: list[nn.Module] = []
    for in_features in (channels * 7 * 7, hidden):
        classifier += [nn.Linear(in_features, hidden), nn.ReLU(inplace=True)]
        if dropout:
            classifier.append(nn.Dropout(DROPOUT_PROBABILITY))
    classifier.append(nn.Linear(hidden, classes))
    network = nn.Sequential()
    network.add_module("features", nn.Sequential(*features))
    network.add_module("pool", nn.AdaptiveAvgPool2d((7, 7)))
    network.add_module("flatten", nn.Flatten())
    network.add_module("classifier", nn.Sequential(*classifier))
    _initialise(network)
    return network


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
        if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d) and module.bias is not None:
            nn.init.zeros_(module.bias)
