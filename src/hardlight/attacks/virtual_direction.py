"""The direction in which a prediction changes most (Miyato et al., ICLR 2016 and TPAMI 2018)."""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from hardlight.attacks.queries import Queries
from hardlight.tensors import unit


def divergence(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """KL(softmax(p) ‖ softmax(q)) of each row: (N,)."""
    log_p, log_q = log_softmax(p_logits, 1), log_softmax(q_logits, 1)
    return (log_p.exp() * (log_p - log_q)).sum(1)


def virtual_direction(
    queries: Queries, x: Tensor, clean: Tensor, start: Tensor, *, xi: float, iterations: int
) -> Tensor:
    """Unit vectors like ``x`` along which the prediction with logits ``clean`` (N, K) changes most.

    Power iterations from ``start`` (like x) on the divergence's Hessian, by finite differences of length ``xi``.
    """
    d = unit(start, "l2")
    for _ in range(iterations):
        trace = queries.trace(x + xi * d)
        logits = trace.logits.requires_grad_()
        (by_logits,) = torch.autograd.grad(divergence(clean, logits).sum(), logits)
        d = unit(trace.gradient(by_logits), "l2")
    return d
