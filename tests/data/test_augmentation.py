"""Crops and flips: worked by hand, each of the possible ones reached, an own draw for every image."""

from itertools import product

import pytest
import torch
from torch.nn.functional import pad

from hardlight.data import CropAndFlip


def possible(image, crop, flip):
    """Every result there can be of one image (C, H, W), by slicing: {bytes: (top, left, mirrored)}."""
    padded = pad(image, (crop,) * 4)
    _, height, width = image.shape
    results = {}
    for top, left, mirrored in product(range(2 * crop + 1), range(2 * crop + 1), (False, True)[: flip + 1]):
        part = padded[:, top : top + height, left : left + width]
        results[(part.flip(2) if mirrored else part).numpy().tobytes()] = (top, left, mirrored)
    return results


@pytest.mark.parametrize(("crop", "flip"), [(1, True), (2, False), (2, True), (0, True)])
def test_each_result_is_a_possible_one_and_all_occur_equally_often(crop, flip):
    torch.manual_seed(0)
    image = torch.rand(3, 4, 5)
    results = possible(image, crop, flip)
    n = 200 * len(results)
    x = CropAndFlip(crop=crop, flip=flip)(image.expand(n, 3, 4, 5))
    assert x.shape == (n, 3, 4, 5)
    assert x.is_contiguous()
    counts = dict.fromkeys(results.values(), 0)
    assert len(counts) == (2 * crop + 1) ** 2 * (1 + flip)
    for each in x:
        counts[results[each.numpy().tobytes()]] += 1
    # Each count is binomial around 200 with a deviation of 14 at most: five of them either way.
    assert all(130 < count < 270 for count in counts.values())


def test_images_of_one_batch_are_drawn_apart_and_stay_their_own():
    torch.manual_seed(0)
    x = torch.rand(50, 2, 6, 6)
    drawn = [
        possible(before, 2, True)[after.numpy().tobytes()]
        for before, after in zip(x, CropAndFlip(crop=2, flip=True)(x), strict=True)
    ]
    assert len(set(drawn)) > 25
    for place in range(2):  # top and left are independent
        assert {draw[place] for draw in drawn} == set(range(5))
    assert any(top != left for top, left, _ in drawn)


def test_by_hand():
    image = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    torch.manual_seed(0)
    found = {str(each[0].tolist()) for each in CropAndFlip(crop=1, flip=True)(image.expand(400, 1, 2, 2))}
    upper_left, its_mirror = [[0.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [1.0, 0.0]]
    as_it_was, mirrored = [[1.0, 2.0], [3.0, 4.0]], [[2.0, 1.0], [4.0, 3.0]]
    lower, right = [[3.0, 4.0], [0.0, 0.0]], [[2.0, 0.0], [4.0, 0.0]]
    assert {str(each) for each in (upper_left, its_mirror, as_it_was, mirrored, lower, right)} <= found
    assert len(found) == 18


def test_the_draw_is_of_the_global_generator_and_none_is_made_in_vain():
    x = torch.rand(8, 1, 5, 5)
    augmentation = CropAndFlip(crop=1, flip=True)
    torch.manual_seed(3)
    first, second = augmentation(x), augmentation(x)
    torch.manual_seed(3)
    assert torch.equal(augmentation(x), first)
    assert not torch.equal(first, second)
    state = torch.get_rng_state()
    assert CropAndFlip()(x) is x
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("settings", "shape", "sentence"),
    [
        ({"crop": -1}, (3, 8, 8), "crop must be a whole number of at least 0, got -1"),
        ({"crop": 1.5}, (3, 8, 8), "crop must be a whole number of at least 0, got 1.5"),
        ({"flip": 1}, (3, 8, 8), "flip must be true or false, got 1"),
        ({"crop": 6}, (3, 9, 6), "crop must be a whole number from 0 to 5, got 6"),
        ({"crop": 1}, (1, 1, 2), "crop must be a whole number from 0 to 0, got 1"),
        ({"flip": True}, (1, 1, 2), r"flip must be false for images of shape \(1, 1, 2\), which are points"),
    ],
)
def test_settings_are_checked(settings, shape, sentence):
    with pytest.raises(ValueError, match=sentence):
        CropAndFlip(**settings).check(shape)
