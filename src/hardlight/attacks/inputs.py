"""What an attack is given, looked at before the model is asked anything."""

import torch
from torch import Tensor


def classes(x: Tensor, *, index: Tensor, y: Tensor, y_target: Tensor) -> int:
    """How many classes the labels speak of, at least 2.

    Raises ``ValueError`` for pixels that are not float32 or float64 in [0, 1], and for anything but a whole number for
    each image, of labels not below 0.
    """
    if x.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"pixels must be float32 or float64, got {x.dtype}")
    if len(x) and not (x.amin() >= 0 and x.amax() <= 1):
        raise ValueError("pixels must be finite and in [0, 1]; make normalisation the model's first layer")
    for field, values in {"index": index, "y": y, "y_target": y_target}.items():
        if values.shape != x.shape[:1] or values.is_floating_point():
            got = f"{tuple(values.shape)} {values.dtype}"
            raise ValueError(f"{field} must hold a whole number for each image, shape ({len(x)},), got {got}")
    lowest, highest = torch.stack(torch.cat([y, y_target, y.new_zeros(1)]).long().aminmax()).tolist()
    if lowest < 0:
        raise ValueError(f"labels must be 0 or more, got {lowest}")
    return max(2, int(highest) + 1)
