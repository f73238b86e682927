"""Augmentations on real images of MNIST."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision.transforms import v2

from tune_app.data import Data
from tune_app.errors import StudyError
from tune_app.parts.augmentations import TRANSFORMS, Augmentation, chain, flips, noise, shifts, transforms

NEEDED: dict[str, dict[str, Any]] = {
    "ColorJitter": {"brightness": 0.9},
    "GaussianBlur": {"kernel_size": 5},
    "RandomAdjustSharpness": {"sharpness_factor": 5, "p": 1},
    "RandomAffine": {"degrees": [-20, 20], "translate": [0.1, 0.1]},
    "RandomCrop": {"size": [28, 28], "padding": 4},
    "RandomPosterize": {"bits": 1, "p": 1},
    "RandomResizedCrop": {"size": [28, 28], "interpolation": "nearest"},
    "RandomRotation": {"degrees": 30, "interpolation": "bilinear"},
    "RandomSolarize": {"threshold": 0.5, "p": 1},
    "AutoAugment": {"policy": "svhn"},
}
FACTORIES: dict[str, Callable[[], Augmentation]] = {
    "flips": flips,
    "shifts": shifts,
    "noise": noise,
    "transforms": lambda: transforms("RandomRotation", degrees=30),
    "chain": lambda: chain(flips(), shifts(3)),
}


@pytest.fixture(scope="module")
def images(mnist: Data) -> Tensor:
    return torch.tensor(mnist.inputs[:64])


@pytest.fixture(scope="module")
def labels(mnist: Data) -> Tensor:
    return torch.tensor(mnist.targets[:64].astype(np.int64))


def _apply(augmentation: Augmentation, images: Tensor, seed: int = 0) -> Tensor:
    changed, _ = augmentation(images, torch.arange(len(images)), torch.Generator().manual_seed(seed))
    return changed


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
@pytest.mark.parametrize("name", FACTORIES)
def test_the_same_seed_gives_the_same_batch_and_nothing_else_is_touched(
    name: str, kind: torch.dtype, images: Tensor, labels: Tensor
) -> None:
    inputs = images.to(kind)
    torch.manual_seed(5)
    np.random.seed(5)
    before, numpy_before = torch.get_rng_state(), np.random.get_state(legacy=False)
    augmentation, generator = FACTORIES[name](), torch.Generator().manual_seed(1)
    first, targets = augmentation(inputs, labels, generator)
    second, _ = augmentation(inputs, labels, generator)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_equal(np.random.get_state(legacy=False), numpy_before)
    torch.manual_seed(6)
    generator.manual_seed(1)
    again, _ = augmentation(inputs, labels, generator)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, _apply(augmentation, inputs, seed=2))
    assert first.shape == inputs.shape
    assert first.dtype == kind
    assert torch.equal(inputs, images.to(kind))
    assert torch.equal(targets, labels)


@pytest.mark.parametrize("name", FACTORIES)
def test_copies_of_one_image_are_changed_differently(name: str, images: Tensor) -> None:
    changed = _apply(FACTORIES[name](), images[:1].expand(40, -1, -1, -1).contiguous())
    assert len({image.numpy().tobytes() for image in changed}) >= (2 if name == "flips" else 10)


@pytest.mark.parametrize("name", FACTORIES)
def test_channels_side_by_side_stay_so(name: str, images: Tensor) -> None:
    colours = images.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
    changed = _apply(FACTORIES[name](), colours)
    assert changed.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(changed, _apply(FACTORIES[name](), colours.contiguous()))


def test_flips_mirror_each_image_with_the_given_probability(mnist: Data) -> None:
    images = torch.tensor(mnist.inputs[:2000])
    changed = _apply(flips(0.3), images)
    mirrored = torch.from_numpy(np.ascontiguousarray(np.flip(images.numpy(), axis=3)))
    is_mirrored = (changed == mirrored).flatten(1).all(1)
    assert (is_mirrored | (changed == images).flatten(1).all(1)).all()
    assert stats.binomtest(int(is_mirrored.sum()), 2000, 0.3).pvalue > 0.001
    assert torch.equal(_apply(flips(0.0), images), images)
    assert torch.equal(_apply(flips(1.0), images), mirrored)


def test_shifts_move_each_image_by_up_to_so_many_pixels_each_move_as_often(mnist: Data) -> None:
    images = mnist.inputs[:2000]
    changed = _apply(shifts(1, fill=7), torch.tensor(images)).numpy()
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=7)
    moved = [padded[:, :, top : top + 28, left : left + 28] for top in range(3) for left in range(3)]
    matches = np.array([(changed == candidate).all(axis=(1, 2, 3)) for candidate in moved])
    assert (matches.sum(axis=0) == 1).all()
    assert stats.chisquare(matches.sum(axis=1)).pvalue > 0.001
    assert torch.equal(_apply(shifts(0), torch.tensor(images)), torch.tensor(images))


def test_noise_has_the_given_deviation(images: Tensor) -> None:
    floats = images / 255
    difference = (_apply(noise(0.1), floats) - floats).flatten().numpy()
    assert stats.kstest(difference, stats.norm(0, 0.1).cdf).pvalue > 0.001
    middle = torch.full_like(images, 128)
    levels = _apply(noise(0.1), middle)
    assert levels.float().std().item() == pytest.approx(25.5, rel=0.02)
    black = _apply(noise(0.1), torch.zeros_like(images))
    assert (black == 0).float().mean().item() == pytest.approx(0.5, abs=0.02)
    assert torch.equal(_apply(noise(0.0), images), images)


def test_a_transform_does_what_torchvisions_own_does_with_the_same_random_numbers(images: Tensor) -> None:
    changed = _apply(transforms("RandomRotation", degrees=30), images, seed=3)
    seed = int(torch.randint(2**63 - 1, (), generator=torch.Generator().manual_seed(3)))
    rotate = v2.RandomRotation(degrees=30)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        expected = torch.stack([rotate(image) for image in images])
    assert torch.equal(changed, expected)


def test_a_rotation_by_a_right_angle_turns_every_image(images: Tensor) -> None:
    changed = _apply(transforms("RandomRotation", degrees=[90, 90]), images)
    assert torch.equal(changed, torch.rot90(images, dims=(2, 3)))


@pytest.mark.parametrize("kind", ["uint8", "float"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_listed_changes_images_and_keeps_their_shape_and_type(
    name: str, kind: str, mnist: Data
) -> None:
    grey = torch.tensor(mnist.inputs[:24]).expand(-1, 3, -1, -1) // torch.tensor([1, 2, 3]).view(3, 1, 1)
    images = grey.to(torch.uint8) if kind == "uint8" else grey / 255
    arguments = NEEDED.get(name, {})
    if kind == "uint8" and name == "RandomSolarize":
        arguments = {"threshold": 128}
    changed = _apply(transforms(name, **arguments), images)
    assert (changed.shape, changed.dtype) == (images.shape, images.dtype)
    assert changed.isfinite().all()
    assert not torch.equal(changed, images)


def test_an_argument_goes_to_the_transform_that_takes_it(images: Tensor) -> None:
    both = transforms(["RandomRotation", "RandomInvert"], degrees=[180, 180], p=1)
    assert torch.equal(_apply(both, images), 255 - images.flip(2, 3))


def test_a_chain_is_one_after_the_other_on_one_stream_of_numbers(images: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    flipped, _ = flips()(images, images, generator)
    shifted, _ = shifts()(flipped, images, generator)
    assert torch.equal(_apply(chain(flips(), shifts()), images), shifted)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: flips(2), "flips: p 2 is no probability"),
        (lambda: shifts(-1), "shifts: pixels -1 is negative"),
        (lambda: noise(-0.1), "noise: std -0.1 is negative"),
        (lambda: transforms([]), "names is empty"),
        (lambda: transforms("RandomRotaton", degrees=3), r"no 'RandomRotaton'; did you mean 'RandomRotation'\?"),
        (lambda: transforms("MixUp"), "there is no 'MixUp'"),
        (lambda: transforms("RandomErasing", inplace=True), "'inplace' is no argument of RandomErasing"),
        (lambda: transforms("RandomRotation", degree=3), r"'degree' is no argument .* did you mean 'degrees'\?"),
        (lambda: transforms(["RandomErasing", "RandomInvert"], p=1), "of RandomErasing and of RandomInvert; define"),
        (lambda: transforms("RandomRotation", degrees=-3), "RandomRotation: torchvision refuses degrees -3: "),
        (lambda: transforms("RandomRotation"), "RandomRotation: torchvision refuses its defaults: .*degrees"),
        (lambda: transforms("AutoAugment", policy="mnist"), "refuses policy mnist: 'mnist' is not a valid"),
    ],
)
def test_what_cannot_be_built_is_refused_before_training(build: Callable[[], Augmentation], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        build()


def test_inputs_that_an_augmentation_cannot_take_are_refused(images: Tensor) -> None:
    for augmentation in (flips(), shifts(), transforms("RandomInvert")):
        with pytest.raises(StudyError, match=r"inputs are \(64, 784\); images \(B, C, H, W\) are needed"):
            _apply(augmentation, images.flatten(1))
    with pytest.raises(StudyError, match=r"the inputs are codes, torch\.int64"):
        _apply(noise(), images.long())
    with pytest.raises(
        StudyError, match=r"RandomCrop: it made \(1, 20, 20\) of torch.uint8 from an image \(1, 28, 28\)"
    ):
        _apply(transforms("RandomCrop", size=20), images)
    with pytest.raises(StudyError, match=r"GaussianNoise: it failed on an image .*int64: ValueError"):
        _apply(transforms("GaussianNoise"), images.long())
