"""The state in which a model must be attacked, set for the length of an attack and put back after it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn


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
        if any(_compiled(module) for module in modules):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        try:
            for module in modules:
                module.training = False
            yield
        finally:
            for module, mode in zip(modules, modes, strict=True):
                module.training = mode


def _compiled(module: nn.Module) -> bool:
    return hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None


@contextmanager
def _float32() -> Iterator[None]:
    """No TF32 or bfloat16 inside float32 products and convolutions."""
    matmul, convolution = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    try:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = convolution
