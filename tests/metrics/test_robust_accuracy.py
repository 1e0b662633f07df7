from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from hardlight.metrics import AdversarialAccuracy, RobustAccuracy, adversarial_accuracy, robust_accuracy

# By hand: right on both, on the clean one only, on the attacked one only (mended), on neither, on both.
Y = torch.tensor([0, 1, 2, 3, 1])
CLEAN = torch.tensor([0, 1, 0, 0, 1])
ADV = torch.tensor([0, 2, 2, 1, 1])


def test_by_hand():
    assert robust_accuracy(CLEAN, ADV, Y).item() == pytest.approx(2 / 5)
    assert adversarial_accuracy(ADV, Y).item() == pytest.approx(3 / 5)


def test_no_samples_are_no_accuracy():
    none = Y[:0]
    assert robust_accuracy(none, none, none).isnan()
    assert adversarial_accuracy(none, none).isnan()


def test_metrics_sum_over_batches_of_any_size():
    robust, adversarial = RobustAccuracy(), AdversarialAccuracy()
    for rows in torch.arange(5).split([1, 4]):
        robust.update(CLEAN[rows], ADV[rows], Y[rows])
        adversarial.update(ADV[rows], Y[rows])
    assert robust.compute() == robust_accuracy(CLEAN, ADV, Y)
    assert adversarial.compute() == adversarial_accuracy(ADV, Y)
    assert (int(robust.right), int(adversarial.right), int(robust.n), int(adversarial.n)) == (2, 3, 5, 5)
    robust.reset()
    robust.update(CLEAN[:1], ADV[:1], Y[:1])
    assert robust.compute() == 1


@pytest.mark.parametrize("bad", [torch.rand(5, 4), torch.rand(5), Y[:4], Y[:, None]], ids=range(4))
def test_logits_or_another_length_are_refused(bad):
    for call in (
        lambda: robust_accuracy(bad, ADV, Y),
        lambda: robust_accuracy(CLEAN, bad, Y),
        lambda: adversarial_accuracy(bad, Y),
        lambda: RobustAccuracy().update(CLEAN, bad, Y),
        lambda: AdversarialAccuracy().update(bad, Y),
    ):
        with pytest.raises(ValueError, match=r"classes \(N,\)"):
            call()


def draw():
    return torch.randint(0, 3, (3, 101), generator=torch.Generator().manual_seed(0))


def one_process(rank: int, folder: str) -> None:
    """A share of the batches, dealt in turn; the two hold different numbers of samples."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    clean, adv, y = draw()
    robust, adversarial = RobustAccuracy(), AdversarialAccuracy()
    for rows in torch.arange(101).split(25)[rank::2]:
        robust.update(clean[rows], adv[rows], y[rows])
        adversarial.update(adv[rows], y[rows])
    torch.save([robust.compute(), adversarial.compute()], Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_give_the_numbers_of_one(tmp_path):
    # Forked, since a fresh process spends seconds importing torch; the children run neither CUDA nor autograd.
    mp.start_processes(one_process, args=(str(tmp_path),), nprocs=2, start_method="fork")
    clean, adv, y = draw()
    for rank in (0, 1):
        robust, adversarial = torch.load(tmp_path / f"{rank}.pt")
        assert robust == robust_accuracy(clean, adv, y)
        assert adversarial == adversarial_accuracy(adv, y)
