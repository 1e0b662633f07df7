"""The state in which a model must be attacked, set for the length of an attack and put back after it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_BACKENDS: Any = torch.backends
# Set one by one: torch refuses to read its older, global switches once any of these has been set.
_OPERATIONS = (
    _BACKENDS.cuda.matmul,
    _BACKENDS.cudnn.conv,
    _BACKENDS.cudnn.rnn,
    _BACKENDS.mkldnn.matmul,
    _BACKENDS.mkldnn.conv,
    _BACKENDS.mkldnn.rnn,
)


@contextmanager
def attackable(model: Callable[[Tensor], Tensor], device: torch.device) -> Iterator[None]:
    """Eval mode, gradients on, full float32 precision, uncompiled, outside inference mode; all restored on exit.

    Modes are set and restored per submodule, without calling ``train()`` or ``eval()`` (which a user's module may
    override). Parameters, their ``requires_grad`` and buffers are not touched.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [module.training for module in modules]
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autocast(device.type, enabled=False))
        stack.enter_context(_float32())
        if any(_compiled(part) for part in (model, *modules)):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        try:
            for module in modules:
                module.training = False
            yield
        finally:
            for module, mode in zip(modules, modes, strict=True):
                module.training = mode


def _compiled(part: object) -> bool:
    wrapped = hasattr(part, "_orig_mod") or hasattr(part, "_torchdynamo_orig_callable")  # torch.compile(part)
    return wrapped or getattr(part, "_compiled_call_impl", None) is not None  # part.compile()


@contextmanager
def _float32() -> Iterator[None]:
    """No TF32 or bfloat16 inside float32 products and convolutions."""
    before = [operation.fp32_precision for operation in _OPERATIONS]
    try:
        for operation in _OPERATIONS:
            operation.fp32_precision = "ieee"
        yield
    finally:
        for operation, precision in zip(_OPERATIONS, before, strict=True):
            operation.fp32_precision = precision
