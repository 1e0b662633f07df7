"""Square: what each query asks, what it keeps of it, and the best there is on models where that is known."""

import math

import pytest
import torch
from linear_oracle import rows_opposed

from hardlight.attacks import Noise, Square
from hardlight.attacks.goal import margin
from hardlight.attacks.windows import bump, window
from hardlight.tensors import norms

NORMS = ["linf", "l2", "l1"]
EPS = {"linf": 0.1, "l2": 0.3, "l1": 0.8}


def asked(model, x, y, **settings):
    """All that the model was asked, in order, and what came back."""
    seen = []

    def watched(x):
        seen.append(x.detach().clone())
        return model(x)

    return seen, Square(**settings)(watched, x, y)


def gray(n=6, size=8, channels=1):
    """Images some of whose pixels are black or white."""
    g = torch.Generator().manual_seed(3)
    return (1.5 * torch.rand(n, channels, size, size, generator=g, dtype=torch.float64) - 0.25).clamp(0, 1)


def random_net(pixels, classes=3):
    torch.manual_seed(2)
    layers = [torch.nn.Flatten(), torch.nn.Linear(pixels, 20), torch.nn.ReLU(), torch.nn.Linear(20, classes)]
    return torch.nn.Sequential(*layers).double()


@pytest.mark.parametrize("norm", NORMS)
def test_every_query_is_inside_the_ball_and_the_box(norm):
    x = gray(channels=3)
    seen, x_adv = asked(random_net(192), x, torch.zeros(6, dtype=torch.int64), eps=EPS[norm], norm=norm, queries=80)
    assert len(seen) == 80
    for tried in [*seen, x_adv]:
        assert tried.min() >= 0
        assert tried.max() <= 1
        assert (norms(tried - x, norm) <= EPS[norm] * (1 + 1e-9)).all()
        assert (norms(tried - x, norm) > 0.3 * EPS[norm]).all()


def test_in_linf_a_query_changes_a_square_of_each_channel_to_one_sign():
    """Of what it changes, all lies in a square of the schedule's side, and no query asks what is known."""
    x, eps = gray(n=4, channels=2), 0.05
    model, y = random_net(128), torch.zeros(4, dtype=torch.int64)
    attack = Square(eps=eps, queries=120)
    seen, _ = asked(model, x, y, eps=eps, queries=120)
    sign = (seen[0] - x).sign()
    stripes = torch.where((sign > 0).any(2, keepdim=True), 1.0, -1.0).double()  # 0 is at the edge of the box
    torch.testing.assert_close(seen[0], (x + eps * stripes).clamp(0, 1))
    best, loss = seen[0], margin(model(seen[0]), y)
    places = set()
    for query, tried in enumerate(seen[1:], start=1):
        side = attack.side(query, 8, 8)
        for n in range(4):
            changed = (tried[n] != best[n]).any(0).nonzero()
            assert len(changed)
            assert (changed.amax(0) - changed.amin(0) < side).all()
            for channel in range(2):
                moved = (tried[n] != best[n])[channel]
                assert len((tried[n] - x[n])[channel][moved].sign().unique()) <= 2  # 0 at the box's edge, and one sign
            places |= {tuple(place) for place in changed.tolist()}
        value = margin(model(tried), y)
        better = value > loss
        best, loss = torch.where(better[:, None, None, None], tried, best), torch.where(better, value, loss)
    assert len(places) == 64  # the last row and column among them


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_in_l2_and_l1_a_query_moves_what_is_in_one_square_to_another(norm):
    """Outside of two squares it only scales what was there, as the whole ball is used again."""
    x = torch.full((3, 1, 16, 16), 0.5, dtype=torch.float64)
    seen, _ = asked(random_net(256), x, torch.zeros(3, dtype=torch.int64), eps=0.3, norm=norm, queries=2, p_init=0.02)
    before, after = seen[0] - x, seen[1] - x
    assert Square(eps=1, norm=norm, p_init=0.02).side(1, 16, 16) == 3
    torch.testing.assert_close(norms(after, norm), torch.full((3,), 0.3, dtype=torch.float64))
    for n in range(3):
        ratio = (after / before)[n].flatten()
        ratio = ratio[ratio.isfinite()]
        usual = ratio.median()
        assert 1 <= int((abs(ratio - usual) > 1e-9).sum()) <= 2 * 9
        assert 1 <= ((after == 0) & (before != 0))[n].sum() <= 9


@pytest.mark.parametrize("norm", NORMS)
def test_the_loss_never_falls_and_beats_noise(norm, mlp, batch):
    x, y = batch
    losses = []
    for queries in (1, 20, 200):
        x_adv = Square(eps=EPS[norm], norm=norm, queries=queries)(mlp, x, y)
        losses.append(margin(mlp(x_adv), y))
    assert (losses[0] <= losses[1] + 1e-6).all()
    assert (losses[1] <= losses[2] + 1e-6).all()
    assert (losses[0] < losses[1] - 0.1).any()
    noise = torch.stack([margin(mlp(Noise(eps=EPS[norm], norm=norm, seed=s)(mlp, x, y)), y) for s in range(10)])
    assert (losses[2] > noise.amax(0)).double().mean() > 0.8
    assert (losses[2] > 0).sum() > 1.2 * (noise > 0).any(0).sum()


def test_the_best_corner_of_a_linear_model(linear):
    weight = rows_opposed(16, seed=1)
    x, eps = gray(n=20, size=4), 0.1
    y = linear(weight)(x).argmax(1)
    x_adv = Square(eps=eps, queries=600, rescale_schedule=True)(linear(weight), x, y)
    away = torch.where(y == 0, -1, 1)[:, None, None, None] * weight[0].sign().reshape(1, 4, 4)
    best = (x + eps * away).clamp(0, 1)
    torch.testing.assert_close(x_adv, best, rtol=0, atol=1e-12)
    back = Square(eps=eps, queries=600, rescale_schedule=True)(linear(weight), x, y, y_target=1 - y)
    torch.testing.assert_close(back, best, rtol=0, atol=1e-12)


def test_it_asks_for_no_gradient_and_stops_when_told(mlp, batch):
    x, y = batch

    @torch.no_grad()
    def closed(x):
        return mlp(x)

    whole = Square(eps=0.1, queries=70).run(closed, x, y)
    assert whole.forward_passes.tolist() == [70] * 64
    assert whole.backward_passes.tolist() == [0] * 64
    early = Square(eps=0.1, queries=70, early_stop=True).run(closed, x, y)
    fooled = mlp(early.x_adv).argmax(1) != y
    assert torch.equal(fooled, mlp(whole.x_adv).argmax(1) != y)
    assert (early.forward_passes[~fooled] == 70).all()
    assert early.forward_passes[fooled].double().mean() < 30


def test_with_a_flat_loss_it_keeps_what_fools():
    """A model that tells its prediction alone; only one of the two signs of a pixel fools it."""

    def predicts(x):
        return torch.nn.functional.one_hot((x[:, 0, 1, 2] < 0.45).long(), 2).to(x.dtype)

    x = torch.full((30, 1, 4, 4), 0.5)
    y = torch.zeros(30, dtype=torch.int64)
    first = Square(eps=0.1, queries=1)(predicts, x, y)
    assert 0 < predicts(first).argmax(1).sum() < 30
    assert (predicts(Square(eps=0.1, queries=60)(predicts, x, y)).argmax(1) == 1).all()


def test_the_schedule():
    """By hand: sqrt(p·784) with p = 0.8 halved after 10, 50, 200 … queries."""
    sides = {1: 25, 10: 25, 11: 18, 50: 18, 51: 13, 201: 9, 501: 6, 1001: 4, 2001: 3, 4001: 2, 6001: 2, 8001: 1}
    attack = Square(eps=1, queries=10_000)
    assert {query: attack.side(query, 28, 28) for query in sides} == sides
    shrunk = Square(eps=1, queries=1000, rescale_schedule=True)
    assert [shrunk.side(query, 28, 28) for query in (1, 2, 5, 6, 20, 21, 801)] == [25, 18, 18, 13, 13, 9, 1]
    odd = Square(eps=1, norm="l2")
    assert [odd.side(query, 28, 28) for query in (1, 11, 201, 501, 9000)] == [25, 19, 9, 7, 3]
    assert attack.side(1, 2, 100) == odd.side(9000, 2, 2) == 2  # never more than the image


def test_windows_are_everywhere_equally_likely():
    x = torch.arange(2 * 5 * 7.0).reshape(1, 2, 5, 7).expand(400, 2, 5, 7)
    place = torch.cartesian_prod(torch.arange(20) / 20, torch.arange(20) / 20)
    found = x[window(x, 2, place)]
    assert found.shape == (400, 2, 2, 2)
    corner = found[:, 0, 0, 0].long()
    assert corner.unique().tolist() == [7 * row + column for row in range(4) for column in range(6)]
    assert set(corner.bincount(minlength=33)[corner.unique()].tolist()) == {15, 20}
    assert torch.equal(
        found - found[:, :1, :1, :1], torch.tensor([[[0.0, 1], [7, 8]], [[35, 36], [42, 43]]]).expand_as(found)
    )


def test_the_bump_of_the_paper():
    """Squares around the middle of each half, the k-th of them worth 1/k²."""
    for side in (1, 2, 3, 4, 7):
        halves = []
        for height in (side // 2, side - side // 2):
            hill = torch.zeros(height, side, dtype=torch.float64)
            for k in range(max(height // 2 + 1, side // 2 + 1)):
                top, left = height // 2 - k, side // 2 - k
                hill[max(top, 0) : top + 2 * k + 1, max(left, 0) : left + 2 * k + 1] += 1 / (k + 1) ** 2
            halves.append(hill / hill.norm() if height else hill)
        expected = torch.cat([halves[0], -halves[1]])
        torch.testing.assert_close(bump(side, "l2", expected), expected / expected.norm())
        torch.testing.assert_close(bump(side, "l1", expected), expected / expected.abs().sum())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("queries", 0),
        ("queries", 2.5),
        ("p_init", 0),
        ("p_init", math.nan),
        ("p_init", 1.1),
        ("rescale_schedule", 1),
        ("early_stop", None),
    ],
)
def test_a_bad_setting_is_named(field, value):
    with pytest.raises(ValueError, match=f"{field} must be .*, got"):
        Square(eps=0.1, **{field: value})
