"""Batches: exact pixels, each image once over all ranks, orders that repeat, and resuming in the middle."""

import pytest
import torch

from hardlight.data import BatchLoader, ImageSet


def image_set(n, dtype=torch.uint8):
    images = torch.arange(n * 12).reshape(n, 3, 2, 2) % 256
    images = images.to(torch.uint8) if dtype == torch.uint8 else images / 255
    return ImageSet(images, torch.arange(n) % 3, 1000 + torch.arange(n), "a small set")


def indices(loader):
    return [batch.index.sub(1000).tolist() for batch in loader]


def test_every_byte_becomes_exactly_its_255th():
    data = ImageSet(
        torch.arange(256, dtype=torch.uint8).reshape(256, 1, 1, 1), torch.zeros(256).long(), torch.arange(256)
    )
    (batch,) = BatchLoader(data, 256, shuffle=False)
    expected = torch.tensor([i / 255 for i in range(256)], dtype=torch.float32)
    assert batch.x.dtype == torch.float32
    assert torch.equal(batch.x.flatten(), expected)
    assert data.images.max() == 255


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_images_labels_and_index_stay_together(dtype):
    data = image_set(10, dtype)
    for x, y, index in BatchLoader(data, 4, shuffle=True):
        rows = index - 1000
        torch.testing.assert_close(x, (torch.arange(120).reshape(10, 3, 2, 2) % 256)[rows] / 255)
        assert torch.equal(y, rows % 3)


@pytest.mark.parametrize("n", [8, 9, 23, 64])
@pytest.mark.parametrize("world", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_training_shares_are_equal_and_disjoint(n, world, size):
    loaders = [BatchLoader(image_set(n), size, shuffle=True, seed=1, rank=r, world_size=world) for r in range(world)]
    shares = [indices(loader) for loader in loaders]
    assert {len(share) for share in shares} == {len(loader) for loader in loaders} == {-(-(n // world) // size)}
    assert {tuple(map(len, share)) for share in shares} == {tuple(map(len, shares[0]))}
    seen = [i for share in shares for batch in share for i in batch]
    assert len(seen) == len(set(seen)) == n // world * world


@pytest.mark.parametrize("n", [5, 8, 9, 23, 64, 65])
@pytest.mark.parametrize("world", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_evaluation_sees_each_image_once_and_no_rank_goes_without(n, world, size):
    loaders = [BatchLoader(image_set(n), size, shuffle=False, rank=r, world_size=world) for r in range(world)]
    shares = [indices(loader) for loader in loaders]
    assert [len(share) for share in shares] == [len(loader) for loader in loaders]
    assert all(shares)
    dealt = [shares[b % world][b // world] for b in range(sum(map(len, shares)))]
    assert [i for batch in dealt for i in batch] == list(range(n))
    assert max(map(len, dealt)) <= size


def test_fewer_images_than_ranks_is_refused():
    with pytest.raises(ValueError, match=r"a small set has 3 images, fewer than there are processes \(4\)"):
        BatchLoader(image_set(3), 2, shuffle=False, rank=0, world_size=4)


def test_order_is_a_function_of_seed_and_epoch():
    def order(seed, epoch):
        loader = BatchLoader(image_set(50), 7, shuffle=True, seed=seed)
        loader.sampler.set_epoch(epoch)
        return indices(loader)

    torch.manual_seed(0)
    first = order(1, 2)
    torch.manual_seed(1)
    assert first == order(1, 2)
    assert len({str(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9
    assert [i for batch in first for i in batch] != list(range(50))


def test_a_second_pass_and_a_broken_off_pass_start_anew():
    for shuffle in (True, False):
        loader = BatchLoader(image_set(10), 4, shuffle=shuffle)
        whole = indices(loader)
        next(iter(loader))
        iter(loader)
        assert indices(loader) == whole


@pytest.mark.parametrize("done", [0, 1, 3, 5])
def test_resuming_gives_the_remaining_batches(done):
    loader = BatchLoader(image_set(20), 4, shuffle=True, seed=4)
    loader.set_epoch(2)
    whole = indices(loader)
    loader = BatchLoader(image_set(20), 4, shuffle=True, seed=4)
    loader.set_epoch(2)
    batches = iter(loader)
    for number in range(done):
        next(batches)
        assert loader.position == (2, number)
    state = loader.state_dict()

    resumed = BatchLoader(image_set(20), 4, shuffle=True, seed=4)
    iter(resumed)
    resumed.load_state_dict(state)
    iter(resumed)
    resumed.set_epoch(2)
    assert len(resumed) == 5
    assert indices(resumed) == whole[done:]
    assert indices(resumed) == whole
    resumed.set_epoch(3)
    loader.set_epoch(3)
    assert indices(resumed) == indices(loader)


def test_resuming_an_epoch_cut_differently_is_refused_unless_it_is_over():
    loader = BatchLoader(image_set(20), 4, shuffle=True)
    batches = iter(loader)
    next(batches)
    other = BatchLoader(image_set(20), 5, shuffle=True)
    with pytest.raises(ValueError, match="batch 1 of 5 of an epoch that now has 4"):
        other.load_state_dict(loader.state_dict())
    list(batches)
    other.load_state_dict(loader.state_dict())
    other.set_epoch(1)
    assert len(indices(other)) == 4


@pytest.mark.parametrize(("size", "seed"), [(0, 0), (2.0, 0), (4, -1)])
def test_settings_are_checked(size, seed):
    with pytest.raises(ValueError, match="must be a whole number"):
        BatchLoader(image_set(4), size, shuffle=True, seed=seed)
