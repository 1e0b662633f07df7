"""The defenses, and the net that wears them."""

import torch
from omegaconf import DictConfig
from torch import nn

from hardlight.build.nodes import is_minimal_norm, made, sentence
from hardlight.defenses import DefendedNet, Defense, DefenseStack
from hardlight.errors import UserError


def defense_stack(cfg: DictConfig) -> DefenseStack:
    """The defenses in the order given."""
    found = {}
    for name, node in (cfg.defense or {}).items():
        if is_minimal_norm(node.get("attack")):
            raise UserError(f"defense.{name}.attack must be one with a budget, an eps, such as fgsm or pgd")
        found[name] = made(node, f"defense.{name}")
    for name, defense in found.items():
        if not isinstance(defense, Defense):
            raise UserError(f"defense.{name} must make a defense, got {type(defense).__name__}")
    return DefenseStack(tuple(found.values()))


def defended_net(cfg: DictConfig, stack: DefenseStack) -> DefendedNet:
    """The net behind its defenses, shown to fit the data by one forward pass."""
    if cfg.model is None:
        raise UserError("model must be chosen: model=NAME")
    net = made(cfg.model, "model")
    if not isinstance(net, nn.Module):
        raise UserError(f"model must make an nn.Module, got {type(net).__name__}")
    model = DefendedNet(net, stack)
    shape, num_classes = tuple(cfg.data.shape), cfg.data.num_classes
    model.eval()
    try:
        with torch.no_grad():
            logits = model(torch.zeros(1, *shape))
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        raise UserError(f"model does not take the data's images of shape {list(shape)}: {sentence(error)}") from error
    finally:
        model.train()
    if tuple(logits.shape) != (1, num_classes):
        raise UserError(f"model must give logits of shape (N, {num_classes}) for this data, got {tuple(logits.shape)}")
    return model
