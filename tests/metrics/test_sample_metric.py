from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from attacked_batch import outcomes
from torch import Tensor, nn

from hardlight.metrics import Attacked, EmpiricalRobustness, LossSensitivity, SampleMetric, TrainingSetDistance

# By hand: stands, broken, wrong before and after, mended, wrong to another wrong.
Y, CLEAN, ADV = [0, 0, 1, 1, 2], [0, 0, 0, 0, 0], [0, 2, 0, 1, 1]


@pytest.fixture
def batch():
    x = torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    return outcomes(x, x / 2, Y, CLEAN, ADV)


def test_away_from_the_true_label(batch):
    assert batch.wrong.tolist() == [False, False, True, True, True]
    assert batch.fooled.tolist() == [False, True, False, False, False]


def test_away_from_the_predicted_label(batch):
    batch = replace(batch, label="predicted")
    assert batch.wrong.tolist() == [False] * 5
    assert batch.fooled.tolist() == [False, True, False, True, True]


def test_the_clean_batch_has_fooled_nobody(batch):
    clean = replace(batch, label="predicted").clean()
    assert (clean.attack, clean.label) == ("none", "true")
    assert clean.x_adv is batch.x
    assert not clean.fooled.any()
    assert torch.equal(clean.wrong, batch.wrong)


def test_select_takes_all_parts(batch):
    part = batch.select(torch.tensor([3, 1]))
    assert part.index.tolist() == [3, 1]
    assert part.fooled.tolist() == [False, True]
    for name in ("x", "y", "x_adv", "logits", "logits_adv"):
        assert torch.equal(getattr(part, name), getattr(batch, name)[[3, 1]])


def test_only_some_keep_what_the_attack_made(batch):
    where = torch.tensor([True, False, True, False, True])
    part = batch.only(where)
    assert torch.equal(part.x_adv[where], batch.x_adv[where])
    assert torch.equal(part.x_adv[~where], batch.x[~where])
    assert part.logits_adv.argmax(1).tolist() == [0, 0, 0, 0, 1]
    assert not part.fooled.any()


NET = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
with torch.no_grad():
    NET[1].weight.copy_(torch.randn(3, 4, generator=torch.Generator().manual_seed(3)))


def drawn() -> Attacked:
    g = torch.Generator().manual_seed(0)
    x, x_adv = torch.rand(2, 101, 1, 2, 2, generator=g)
    y = torch.randint(0, 3, (101,), generator=g)
    logits, logits_adv = torch.randn(2, 101, 3, generator=g)
    return Attacked(
        model=NET, x=x, y=y, index=torch.arange(101), logits=logits, x_adv=x_adv, logits_adv=logits_adv, attack="a"
    )


def metrics() -> list[SampleMetric]:
    found: list[SampleMetric] = [EmpiricalRobustness(), TrainingSetDistance(), LossSensitivity()]
    for metric in found:
        metric.prepare(torch.rand(50, 1, 2, 2, generator=torch.Generator().manual_seed(1)))
    return found


def once(metric: SampleMetric, batch: Attacked) -> Mapping[str, float]:
    """The numbers as the definition has them, over all samples at once."""
    clean = metric.per_sample(batch.clean()) if "clean" in metric.on else {}
    found = {f"{name}[none]": each.value for name, each in metric.summary(clean).items()} if clean else {}
    if metric.on != {"clean"}:
        summary = metric.summary(metric.per_sample(batch), clean)
        found |= {f"{name}[a]": each.value for name, each in summary.items()}
    return found


def test_batches_of_any_size_give_the_numbers_of_one():
    batch = drawn()
    for metric in metrics():
        for rows in torch.arange(101).split(17):
            metric.update(batch.select(rows))
        assert {name: float(value) for name, value in metric.compute().items()} == once(metric, batch)
        metric.reset()
        metric.update(batch.select(torch.arange(9)))
        few = {name: float(value) for name, value in metric.compute().items()}
        assert few == once(metric, batch.select(torch.arange(9)))


def one_process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    found = []
    for metric in metrics()[:2]:  # no autograd in a forked process
        for rows in torch.arange(101).split(25)[rank::2]:
            metric.update(drawn().select(rows))
        found.append(metric.compute())
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_give_the_numbers_of_one(tmp_path):
    # Forked, since a fresh process spends seconds importing torch.
    mp.start_processes(one_process, args=(str(tmp_path),), nprocs=2, start_method="fork")
    for rank in (0, 1):
        found: list[dict[str, Tensor]] = torch.load(tmp_path / f"{rank}.pt")
        for metric, numbers in zip(metrics(), found, strict=False):
            assert {name: float(value) for name, value in numbers.items()} == once(metric, drawn())


def test_one_object_measures_one_attack(batch):
    metric = EmpiricalRobustness()
    metric.update(batch)
    with pytest.raises(ValueError, match="one attack, it has seen minimal_fgsm, got deepfool"):
        metric.update(replace(batch, attack="deepfool"))
    metric.reset()
    metric.update(replace(batch, attack="deepfool"))
    assert "rho[deepfool]" in metric.compute()
