"""Whether a trained net and data go together."""

from omegaconf import DictConfig

from hardlight.errors import UserError


def check_fit(trained: str, theirs: DictConfig, data: DictConfig) -> None:
    """UserError where the net that ``trained`` names was trained for data of another shape or number of classes."""
    for what in ("shape", "num_classes"):
        if theirs[what] != data[what]:
            raise UserError(f"{trained} was trained for {what} {theirs[what]}, data={data.name} has {data[what]}")
