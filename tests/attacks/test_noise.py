import pytest
import torch

from hardlight.attacks import Noise
from hardlight.tensors import norms


def never(x):
    raise AssertionError("noise asks the model nothing")


@pytest.mark.parametrize("kind", ["uniform", "gaussian", "sign"])
@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.1), ("l2", 0.4), ("l1", 1.5)])
def test_norm_is_eps_before_clipping(kind, norm, eps):
    x = torch.full((20, 3, 5, 5), 0.5, dtype=torch.float64)
    x_adv = Noise(eps=eps, norm=norm, kind=kind)(never, x, torch.zeros(20, dtype=torch.int64))
    torch.testing.assert_close(norms(x_adv - x, norm), torch.full((20,), eps, dtype=torch.float64))
    if kind == "sign":
        assert (x_adv - x).abs().unique().numel() < 20  # one size, up to rounding


@pytest.mark.parametrize("kind", ["uniform", "gaussian", "sign"])
def test_clipping_only_shortens(kind):
    x = torch.rand(20, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    x_adv = Noise(eps=0.8, kind=kind)(never, x, torch.zeros(20, dtype=torch.int64))
    assert x_adv.min() == 0
    assert x_adv.max() == 1
    assert (norms(x_adv - x, "linf") <= 0.8 + 1e-6).all()
