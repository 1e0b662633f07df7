"""An attack leaves everything as it found it, and finds what it needs wherever it is called."""

import pytest
import torch
from torch import nn

from hardlight.attacks import FGSM, PGD, Noise, attackable

ATTACKS = [
    FGSM(eps=0.1, norm="l1", label="predicted"),
    Noise(eps=0.1),
    PGD(eps=0.1, norm="l2", steps=3, restarts=2, early_stop=True),
]
attacks = pytest.mark.parametrize("attack", ATTACKS, ids=repr)
BACKENDS = torch.backends


class Net(nn.Module):
    """BatchNorm, dropout, frozen and trainable weights, modes that differ; raises when told to."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 8, 1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.5)
        self.frozen_norm = nn.BatchNorm2d(8)
        self.last = nn.Linear(32, 4)
        self.fails = False
        self.seen = []
        self.train()
        self.norm.momentum = 0.3
        self.frozen_norm.eval()
        self.first.requires_grad_(False)
        self.last.weight.grad = torch.ones_like(self.last.weight)

    def train(self, mode=True):
        if not mode:
            raise AssertionError("a user's train() may do anything: it is not to be called")
        return super().train(mode)

    def forward(self, x):
        if self.fails:
            raise RuntimeError("out of memory")
        z = self.frozen_norm(self.drop(torch.relu(self.norm(self.first(x)))))
        logits = self.last(z.flatten(1))
        self.seen.append((logits.dtype, self.training, torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
        return logits


@pytest.fixture
def net():
    return Net()


def state(net, x, y):
    return {
        "modes": [module.training for module in net.modules()],
        "requires_grad": [parameter.requires_grad for parameter in net.parameters()],
        "grad": [None if p.grad is None else p.grad.tolist() for p in net.parameters()],
        "weights and buffers": {key: value.tolist() for key, value in net.state_dict().items()},
        "caller's tensors": (x.tolist(), y.tolist(), x.requires_grad, x.grad),
        "random state": torch.get_rng_state().tolist(),
        "gradient mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "autocast": torch.is_autocast_enabled("cpu"),
        "precision": precision(),
    }


def precision():
    operations = [BACKENDS.cuda.matmul, BACKENDS.cudnn.conv, BACKENDS.cudnn.rnn]
    operations += [BACKENDS.mkldnn.matmul, BACKENDS.mkldnn.conv, BACKENDS.mkldnn.rnn, BACKENDS]
    return [operation.fp32_precision for operation in operations]


@attacks
def test_everything_is_as_before(attack, net, batch):
    x, y = batch
    before = state(net, x, y)
    attack(net, x, y)
    assert state(net, x, y) == before
    assert all(not training and not inference for _, training, _, inference in net.seen)


@attacks
def test_also_when_the_model_raises(attack, net, batch):
    x, y = batch
    net.fails = True
    before = state(net, x, y)
    if not isinstance(attack, Noise):  # which asks the model nothing
        with pytest.raises(RuntimeError, match="out of memory"):
            attack(net, x, y)
    assert state(net, x, y) == before


@attacks
def test_the_callers_images_may_require_a_gradient(attack, net, batch):
    x, y = batch
    expected = attack(net, x, y)
    x = x.clone().requires_grad_()
    x_adv = attack(net, x, y)
    assert torch.equal(x_adv, expected)
    assert not x_adv.requires_grad
    assert x.grad is None


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@attacks
def test_the_same_without_gradients_around_it(attack, mode, net, batch):
    x, y = batch
    expected = attack(net, x, y, index=torch.arange(64))
    with mode():
        x_adv = attack(net, x * 1, y * 1, index=torch.arange(64))
        targeted = attack(net, x * 1, y * 1, y_target=(y + 1) % 4)
    assert torch.equal(x_adv, expected)
    assert torch.equal(targeted, attack(net, x, y, y_target=(y + 1) % 4))


@attacks
def test_full_precision_under_autocast(attack, net, batch):
    expected = attack(net, *batch)
    net.seen.clear()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        x_adv = attack(net, *batch)
        assert {dtype for dtype, *_ in net.seen} <= {torch.float32}
        assert net(batch[0]).dtype == torch.bfloat16
    assert torch.equal(x_adv, expected)


@pytest.fixture
def global_precision():
    """Puts torch's precision back to where it was, in the order that torch accepts."""
    before = precision()
    yield
    operations = [BACKENDS, BACKENDS.cuda.matmul, BACKENDS.cudnn.conv, BACKENDS.cudnn.rnn]
    operations += [BACKENDS.mkldnn.matmul, BACKENDS.mkldnn.conv, BACKENDS.mkldnn.rnn]
    torch.set_float32_matmul_precision("highest")
    for operation, value in zip(operations, [before[-1], *before[:-1]], strict=True):
        operation.fp32_precision = value


def set_globally(how):
    if how in ("highest", "high", "medium"):
        torch.set_float32_matmul_precision(how)
    elif how == "cudnn":
        BACKENDS.cudnn.allow_tf32 = False
    elif how == "matmul":
        BACKENDS.cuda.matmul.fp32_precision = "tf32"
    elif how == "all":
        BACKENDS.fp32_precision = "tf32"


@pytest.mark.usefixtures("global_precision")
@pytest.mark.parametrize("how", ["nothing", "highest", "high", "medium", "cudnn", "matmul", "all"])
def test_tf32_is_off_inside_and_as_it_was_after(how, net):
    set_globally(how)
    before = precision()
    with attackable(net, torch.device("cpu")):
        assert set(precision()[:-1]) == {"ieee"}
    assert precision() == before
    if how in ("highest", "high", "medium"):
        assert torch.get_float32_matmul_precision() == how


@pytest.mark.parametrize("compiled", ["module", "in place", "function"])
def test_a_compiled_model_runs_eagerly_inside(compiled, mlp, batch):
    x, y = batch
    torch.compiler.reset()
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    expected = PGD(eps=0.1, steps=2)(mlp, x, y)
    if compiled == "module":
        model = torch.compile(mlp, backend=backend)
    elif compiled == "in place":
        mlp.compile(backend=backend)
        model = mlp
    else:
        model = torch.compile(lambda x: mlp(x), backend=backend)
    model(x)
    before = len(graphs)
    assert before == 1 or compiled == "in place"  # which torch 2.11 does not do to its own containers
    assert torch.equal(PGD(eps=0.1, steps=2)(model, x, y), expected)
    assert len(graphs) == before


@attacks
def test_any_callable_will_do(attack, mlp, batch):
    expected = attack(mlp, *batch)
    assert torch.equal(attack(lambda x: mlp(x), *batch), expected)


def test_nested(net):
    with attackable(net, torch.device("cpu")), attackable(net, torch.device("cpu")):
        assert not any(module.training for module in net.modules())
    assert [module.training for module in net.modules()] == [True, True, True, True, False, True]
