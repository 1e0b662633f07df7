"""What is measured of which attacks, as ``build.evaluation`` reads it off a configuration."""

import pytest
from omegaconf import OmegaConf

from hardlight.attacks import FGSM, MinimalFGSM
from hardlight.build.evaluation import metrics
from hardlight.errors import UserError
from hardlight.evaluation.planned import Planned

METRICS = {"empirical_robustness": "EmpiricalRobustness", "loss_sensitivity": "LossSensitivity"}
PLANNED = {"fgsm": (Planned.of(FGSM(eps=0.1)),), "minimal_fgsm": (Planned.of(MinimalFGSM()),)}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("attacks", [[], ["fgsm"], ["minimal_fgsm"], ["fgsm", "minimal_fgsm"]])
def test_a_metric_that_no_attack_feeds_is_refused(metric: str, attacks: list[str]) -> None:
    cfg = OmegaConf.create({"metric": {metric: {"_target_": f"hardlight.metrics.{METRICS[metric]}"}}})
    planned = {name: PLANNED[name] for name in attacks}
    if metric == "loss_sensitivity" or "minimal_fgsm" in attacks:
        (found,) = metrics(cfg, planned)
        assert type(found).__name__ == METRICS[metric]
    else:
        with pytest.raises(UserError, match=r"metric\.empirical_robustness would have nothing to measure"):
            metrics(cfg, planned)
