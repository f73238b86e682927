"""Augmentations: factories of functions that change the inputs of a training batch, as a user's own can be.

Such a function takes inputs (B, C, H, W), targets and the fold's generator, and returns inputs and targets. The inputs
come as the loader gave them, uint8 or float32, on the device, and go on in the same shape and type.
All random numbers come from the generator; drawn on a CPU they are the same for every device.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tune_app.errors import StudyError, choices, describe_error

Augmentation = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]

# Those of torchvision.transforms.v2 that draw at random and keep the shape, the type and the target of an image.
TRANSFORMS = (
    "AugMix",
    "AutoAugment",
    "ColorJitter",
    "ElasticTransform",
    "GaussianBlur",
    "GaussianNoise",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAffine",
    "RandomAutocontrast",
    "RandomChannelPermutation",
    "RandomCrop",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomPerspective",
    "RandomPhotometricDistort",
    "RandomPosterize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSolarize",
    "RandomVerticalFlip",
    "TrivialAugmentWide",
)


def flips(p: float = 0.5) -> Augmentation:
    """Mirror each image, left to right, with probability `p`."""
    if not 0 <= p <= 1:
        raise StudyError(f"augment flips: p {p} is no probability; choose from 0 to 1")

    def augment(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _require_images("flips", inputs)
        mirrored = torch.rand(len(inputs), generator=generator, device=generator.device).to(inputs.device) < p
        return torch.where(mirrored[:, None, None, None], inputs.flip(-1), inputs), targets

    return augment


def shifts(pixels: int = 2, fill: float = 0) -> Augmentation:
    """Move each image by up to `pixels` up or down and left or right, each move as likely; `fill` moves in."""
    if pixels < 0:
        raise StudyError(f"augment shifts: pixels {pixels} is negative; choose 0 (no move) or more")

    def augment(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _require_images("shifts", inputs)
        samples, channels, height, width = inputs.shape
        moves = torch.randint(2 * pixels + 1, (2, samples, 1), generator=generator, device=generator.device)
        top, left = moves.to(inputs.device)
        padded = functional.pad(inputs, (pixels,) * 4, value=fill)
        sample = torch.arange(samples, device=inputs.device)[:, None, None, None]
        channel = torch.arange(channels, device=inputs.device)[None, :, None, None]
        row = (torch.arange(height, device=inputs.device) + top)[:, None, :, None]
        column = (torch.arange(width, device=inputs.device) + left)[:, None, None, :]
        return _lay_out(padded[sample, channel, row, column], inputs), targets

    return augment


def noise(std: float = 0.05) -> Augmentation:
    """Add normal noise to each number, (B, …); `std` is in the inputs' unit, of uint8 a share of their range, 255.

    uint8 are rounded and stay within their range. Raises StudyError for inputs that are codes, int64.
    """
    if std < 0:
        raise StudyError(f"augment noise: std {std} is negative; choose 0 (none) or more")

    def augment(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if not (inputs.is_floating_point() or inputs.dtype == torch.uint8):
            raise StudyError(
                f"augment noise: the inputs are codes, {inputs.dtype}; noise is for uint8 and floats alone"
            )
        drawn = torch.randn(inputs.shape, generator=generator, device=generator.device).to(inputs.device)
        if inputs.dtype == torch.uint8:
            noisy = drawn.mul_(255 * std).add_(inputs).round_().clamp_(0, 255)
        else:
            noisy = drawn.mul_(std).add_(inputs)
        return _lay_out(noisy.to(inputs.dtype), inputs), targets

    return augment


def transforms(names: str | Sequence[str], **arguments: Any) -> Augmentation:
    """torchvision's v2 transforms, by name, one after the other; `arguments` are those of their constructors.

    Each image is transformed by itself, so each has numbers of its own: v2 draws once for all that it is given. An
    argument goes to the transform that takes it. Colours are changed as torchvision means it in uint8, or in floats
    from 0 to 1. Raises StudyError for unknown names and arguments, one that several take, and what torchvision refuses.
    """
    chosen = [names] if isinstance(names, str) else list(names)
    sequence = _build_transforms(chosen, arguments)

    def augment(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _require_images(" ".join(chosen), inputs)
        changed = torch.empty_like(inputs)
        with _seeded(generator, inputs.device):
            for image, place in zip(inputs, changed, strict=True):
                place.copy_(_transform(chosen, sequence, image))
        return changed, targets

    return augment


def chain(*augmentations: Augmentation) -> Augmentation:
    """One augmentation after the other, as one."""

    def augment(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        for augmentation in augmentations:
            inputs, targets = augmentation(inputs, targets, generator)
        return inputs, targets

    return augment


def _build_transforms(names: Sequence[str], arguments: dict[str, Any]) -> list[nn.Module]:
    from torchvision.transforms import v2

    unknown = [f"augment: there is no {name!r}{choices(name, TRANSFORMS)}" for name in names if name not in TRANSFORMS]
    if unknown or not names:
        raise StudyError(unknown or f"augment transforms: names is empty; choose from {', '.join(TRANSFORMS)}")
    kinds = [getattr(v2, name) for name in names]
    # `inplace` would write into the inputs, which are the caller's.
    accepted = [[key for key in inspect.signature(kind).parameters if key != "inplace"] for kind in kinds]
    problems = []
    for argument in arguments:
        takers = [name for name, keys in zip(names, accepted, strict=True) if argument in keys]
        if not takers:
            known = sorted({key for keys in accepted for key in keys})
            tail = choices(argument, known) if known else "; there are none"
            problems.append(f"augment: {argument!r} is no argument of {' or '.join(names)}{tail}")
        elif len(takers) > 1:
            problems.append(f"augment: {argument} is an argument of {' and of '.join(takers)}; define each by itself")
    if problems:
        raise StudyError(problems)
    built = []
    for name, kind, keys in zip(names, kinds, accepted, strict=True):
        own = {key: value for key, value in arguments.items() if key in keys}
        try:
            built.append(kind(**{key: _read(key, value) for key, value in own.items()}))
        except (ValueError, TypeError) as error:
            given = ", ".join(f"{key} {value}" for key, value in own.items()) or "its defaults"
            raise StudyError(f"augment {name}: torchvision refuses {given}: {error}; change the arguments") from error
    return built


def _read(key: str, value: Any) -> Any:
    """An argument as torchvision takes it: a study spells the members of its enumerations by their values."""
    from torchvision.transforms import AutoAugmentPolicy, InterpolationMode

    kind = {"interpolation": InterpolationMode, "policy": AutoAugmentPolicy}.get(key)
    return kind(value) if kind else value


def _transform(names: Sequence[str], sequence: Sequence[nn.Module], image: Tensor) -> Tensor:
    """The image (C, H, W) after all transforms; raises StudyError if one fails or gives another shape or type."""
    changed = image
    for name, transform in zip(names, sequence, strict=True):
        try:
            changed = transform(changed)
        except (ValueError, TypeError, RuntimeError) as error:
            raise StudyError(
                f"augment {name}: it failed on an image {tuple(image.shape)} of {image.dtype}: "
                f"{describe_error(error)}; choose a transform that takes such images"
            ) from error
        if changed.shape != image.shape or changed.dtype != image.dtype:
            raise StudyError(
                f"augment {name}: it made {tuple(changed.shape)} of {changed.dtype} from an image {tuple(image.shape)} "
                f"of {image.dtype}; shape and type must stay; change its arguments"
            )
    return changed


@contextmanager
def _seeded(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """torch's global random numbers, which v2 draws from, seeded by the generator; their state returns at the end."""
    seed = int(torch.randint(2**63 - 1, (), generator=generator, device=generator.device))
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _require_images(name: str, inputs: Tensor) -> None:
    if inputs.ndim != 4:
        raise StudyError(f"augment {name}: the inputs are {tuple(inputs.shape)}; images (B, C, H, W) are needed")


def _lay_out(changed: Tensor, inputs: Tensor) -> Tensor:
    """`changed` in the order in memory that `inputs` have: networks on a CPU keep channels side by side."""
    return changed if changed.stride() == inputs.stride() else torch.empty_like(inputs).copy_(changed)
