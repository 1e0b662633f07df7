"""Several trained nets, each under a name of the user's."""

import re

from omegaconf import DictConfig

from hardlight.build.checkpoint import Restored, restore, trusted
from hardlight.errors import UserError


def named_nets(cfg: DictConfig) -> dict[str, Restored]:
    """The trained nets of ``models``; the data are those of the first one, unless they are given.

    Raises ``UserError`` for fewer than two, a name that no path could hold, and what ``restore`` refuses.
    """
    if not isinstance(cfg.models, DictConfig) or len(cfg.models) < 2:
        raise UserError("transfer needs at least two nets, as in 'models={cnn: PATH, resnet: PATH}'")
    for name in map(str, cfg.models):
        if not re.fullmatch(r"[A-Za-z0-9._+-]+", name) or name in ("self", "clean"):
            raise UserError(
                f"models: {name!r} cannot be a name; take letters, digits and . _ + -, but not self or clean"
            )
    nets = {str(name): restore(str(path), cfg.trust) for name, path in cfg.models.items()}
    if cfg.data is None:
        first, net = next(iter(nets.items()))
        cfg.data = net.config.data
        cfg.data = trusted(cfg.data, f"models.{first}: data", cfg.trust)
    return nets
