"""Sizes and regularizers that the families share."""

REGULARIZERS = ("none", "dropout", "batchnorm", "dropout+batchnorm")
DROPOUT_PROBABILITY = 0.5


def build_channels(channels: int, width: float) -> int:
    """`channels` scaled by the width multiplier, at least one."""
    return max(1, round(channels * width))


def check_build(image_shape: tuple[int, int, int], regularizer: str, min_size: int) -> tuple[bool, bool]:
    """Whether to build dropout and batch normalisation.

    `image_shape` is (channels, height, width) in pixels. Raises ValueError for an unknown regularizer or an image
    smaller than `min_size` on either side.
    """
    if regularizer not in REGULARIZERS:
        raise ValueError(f"unknown regularizer {regularizer!r}; choose from {', '.join(REGULARIZERS)}")
    if min(image_shape[1:]) < min_size:
        raise ValueError(f"images of {image_shape[1]}×{image_shape[2]} are too small: at least {min_size}×{min_size}")
    parts = regularizer.split("+")
    return "dropout" in parts, "batchnorm" in parts
