"""The samples that ship: as many images of each class, places in the official splits, the sets' known statistics."""

import hashlib

import pytest
import torch

from hardlight.data import ShippedSample

# Mean and standard deviation of the official training splits' pixels.
KNOWN = {
    "mnist": ((1, 28, 28), [0.1307], [0.3081]),
    "cifar10": ((3, 32, 32), [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
}


@pytest.mark.parametrize(
    ("name", "part", "per_class", "official"),
    [
        ("mnist", "train", 600, 60_000),
        ("mnist", "test", 100, 10_000),
        ("cifar10", "train", 100, 50_000),
        ("cifar10", "test", 20, 10_000),
    ],
)
def test_what_it_holds(name, part, per_class, official):
    source = ShippedSample(name=name)
    source.check()
    source.prepare()
    shape, mean, std = KNOWN[name]
    assert source.describe() == (shape, 10)
    sample = source.read(part)
    assert sample.images.dtype == torch.uint8
    assert sample.shape == shape
    assert sample.labels.bincount().tolist() == [per_class] * 10
    assert bool((sample.index.diff() > 0).all())
    assert 0 <= sample.index[0] < sample.index[-1] < official
    pixels = (sample.images / 255).transpose(0, 1).flatten(1)
    torch.testing.assert_close(pixels.mean(1), torch.tensor(mean), atol=0.02, rtol=0)
    torch.testing.assert_close(pixels.std(1), torch.tensor(std), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("name", "part", "digest"),
    [
        ("mnist", "train", "555235c74bb6cb28548d7c93005d78e5a34eb4315f83e2c323d131a70cb5bb87"),
        ("mnist", "test", "d5aaeaee48ba42647eb32ca5ac46e607978f0bdab682b068c3a671fc8ea425bd"),
        ("cifar10", "train", "bbcbf224f83b084ca611a4f85535f88a57f2c351f7acf7a98096e14afa415d83"),
        ("cifar10", "test", "3edf1b5885cad6154a6dadd37183d340cd8c69ba09a8610cb61b84f3d70bfcc8"),
    ],
)
def test_its_images_are_those_of_the_official_splits(name, part, digest):
    """SHA-256 of the pixels in the official files at ``index``, with channels last, and of their labels."""
    sample = ShippedSample(name=name).read(part)
    found = hashlib.sha256(sample.images.permute(0, 2, 3, 1).contiguous().numpy().tobytes())
    found.update(sample.labels.to(torch.uint8).numpy().tobytes())
    assert found.hexdigest() == digest


def test_a_misspelt_name_is_told():
    with pytest.raises(ValueError, match="name must be one of mnist, cifar10, got 'cifar'; did you mean cifar10"):
        ShippedSample(name="cifar")
