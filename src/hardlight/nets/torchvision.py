"""torchvision's classification models, for any number of channels and classes, and for small images."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn
from torchvision import models

from hardlight import checks
from hardlight.nets.weights import load_weights

HIDDEN = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish)  # gates, such as Sigmoid, are no activations here
SMALL = (  # what halves twice before anything else, by convolutions or one pooling, in one path
    models.ResNet,
    models.DenseNet,
    models.ShuffleNetV2,
    models.MobileNetV2,
    models.MobileNetV3,
    models.MNASNet,
    models.EfficientNet,
)


def torchvision_net(
    name: str,
    weights: str | None = None,
    small_images: bool = False,
    *,
    shape: Sequence[int],
    num_classes: int,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Module:
    """The model ``name`` of torchvision with random weights, or those of the file ``weights``.

    ``activation`` takes the place of every RELU and RELU6. RELU leaves the model as it is, with SiLU, Hardswish or GELU
    where it has those; any other is refused where the model has activations of another kind, or calls RELU as a
    function (densenet, googlenet, inception), since it would reach only a part of them. With ``small_images`` the first
    two halvings of the image are left out, as is usual for 32×32 pixels: a first convolution is 3×3 of stride 1, a
    first pooling is dropped; VGG, which has no such beginning, stays as it is. Every mistake is a ValueError of one
    sentence.
    """
    checks.text("name", name)
    if weights is not None:
        checks.text("weights", weights)
    checks.flag("small_images", small_images)
    checks.shape("shape", shape)
    checks.whole("num_classes", num_classes, low=2)
    net = _made(name, num_classes)
    if shape[0] != 3:
        first = next(layer for layer in net.modules() if isinstance(layer, nn.Conv2d))
        _replace(net, first, _like(first, shape[0], first.kernel_size[0], first.stride[0], first.padding))
    if small_images:
        _shrink_less(net, name)
    _activate(net, name, activation)
    if weights is not None:
        load_weights(net, weights)
    return net


def _made(name: str, num_classes: int) -> nn.Module:
    known = models.list_models(module=models)
    if name not in known:
        hint = checks.suggestion(name, known)
        raise ValueError(f"name must be one of torchvision's classification models, got {name!r}{hint}")
    # These two have further outputs for training, and announce that their initial weights will change.
    alone = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
    net: nn.Module = models.get_model(name, weights=None, num_classes=num_classes, **alone)
    return net


def _shrink_less(net: nn.Module, name: str) -> None:
    if isinstance(net, models.VGG):
        return
    if not isinstance(net, SMALL):
        raise ValueError(f"small_images must be false for {name}, of which no small form is known")
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.MaxPool2d)]
    for layer in [layer for layer in layers if layer.stride in (2, (2, 2))][:2]:
        if isinstance(layer, nn.MaxPool2d):
            _replace(net, layer, nn.Identity())
        elif layer.kernel_size == (7, 7):
            _replace(net, layer, _like(layer, layer.in_channels, 3, 1, 1))
        else:
            layer.stride = (1, 1)


def _activate(net: nn.Module, name: str, activation: Callable[[], nn.Module]) -> None:
    chosen = type(activation())
    if chosen is nn.ReLU:
        return
    found = {layer for layer in net.modules() if isinstance(layer, HIDDEN)}
    others = {type(layer).__name__ for layer in found} - {"ReLU", "ReLU6", chosen.__name__}
    hidden = isinstance(net, models.DenseNet | models.GoogLeNet | models.Inception3)
    if others or hidden:
        kinds = "RELU called as a function" if hidden else " and ".join(sorted(others))
        raise ValueError(f"activation {chosen.__name__} cannot be used: {name} has {kinds}; choose activation=relu")
    for layer in found:
        _replace(net, layer, activation())


def _replace(net: nn.Module, old: nn.Module, new: nn.Module) -> None:
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if child is old:
                setattr(parent, name, new)


def _like(first: nn.Conv2d, in_channels: int, kernel_size: int, stride: int, padding: Any) -> nn.Conv2d:
    """A first convolution of other sizes, its weights as torchvision draws a ResNet's (He et al., ICCV 2015)."""
    new = nn.Conv2d(in_channels, first.out_channels, kernel_size, stride, padding, bias=first.bias is not None)
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    if new.bias is not None:
        nn.init.zeros_(new.bias)
    return new
