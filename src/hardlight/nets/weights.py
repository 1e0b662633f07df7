"""A state dict from a file into a net, strictly."""

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

_NOT_TENSORS = "weights {} must be a readable state dict of tensors alone: save net.state_dict() and use that file"


def load_weights(net: nn.Module, path: str | Path) -> None:
    """The tensors of a ``torch.save``d state dict, or of a ``.safetensors`` file, into ``net``, on the CPU.

    Nothing but tensors is unpickled. ValueError names the file and what is wrong with it: not there, no
    readable state dict, or keys and shapes that are not the net's.
    """
    tensors = _read(Path(path))
    own = net.state_dict()
    missing = [key for key in own if key not in tensors]
    unknown = [key for key in tensors if key not in own]
    misfits = [key for key in own if key in tensors and own[key].shape != tensors[key].shape]
    if misfits and not missing and not unknown:
        key = misfits[0]
        raise ValueError(
            f"weights {path} do not fit the net: {key} has shape {tuple(tensors[key].shape)}, "
            f"the net's has {tuple(own[key].shape)}"
        )
    if missing or unknown:
        faults = [f"{len(missing)} missing ({missing[0]}, …)"] if missing else []
        faults += [f"{len(unknown)} unknown ({unknown[0]}, …)"] if unknown else []
        raise ValueError(f"weights {path} do not fit the net: of its keys, {' and '.join(faults)}")
    net.load_state_dict(tensors)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ValueError(f"weights must name a file, got {str(path)!r}, which does not exist")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, SafetensorError) as error:
        raise ValueError(_NOT_TENSORS.format(path)) from error
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise ValueError(_NOT_TENSORS.format(path))
    return tensors
