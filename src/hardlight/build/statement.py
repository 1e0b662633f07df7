"""The robustness statement that is left beside the records of a job."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch
from omegaconf import DictConfig

from hardlight.build.provenance import Provenance
from hardlight.data import BatchLoader, DataModule
from hardlight.defenses import DefendedNet
from hardlight.evaluation.hashes import data_sha256
from hardlight.evaluation.run_labels import run_labels
from hardlight.evaluation.statement import attack_facts, limits, net_facts, threat_facts
from hardlight.reporting import write_statement
from hardlight.reporting.accuracies import subject

ASKED = 128  # images, to see whether a net is randomised


def state(
    cfg: DictConfig,
    began: Provenance,
    data: DataModule,
    nets: Mapping[str, DefendedNet],
    records: pd.DataFrame,
    samples: pd.DataFrame,
    device: torch.device,
    processes: int = 1,
) -> Path | None:
    """``statement.md`` in the run's folder; None, and no page, where nothing was attacked.

    ``nets`` are the attacked ones and those that images were crafted on, each under the file it was read from.
    Call it on rank 0, after the test.
    """
    loader = data.test_dataloader()
    x = next(iter(BatchLoader(loader.data, ASKED, shuffle=False))).x
    asked = {name: net_facts(net, x) for name, net in nets.items()}
    classes = {str(name): str(node["_target_"]) for name, node in (cfg.attack or {}).items()}
    facts = {
        "title": f"{subject(records)} · {', '.join(run_labels(records).values())}",
        "threat": threat_facts(records),
        "attacks": attack_facts(records, samples, classes),
        "nets": asked,
        "data": {
            "name": cfg.data.name,
            "n": len(loader.data),
            "whole": data.n_test is None,
            "shape": list(cfg.data.shape),
            "num_classes": cfg.data.num_classes,
            "sha256": data_sha256(loader.data),
        },
        "run": {
            "seed": cfg.seed,
            "training_seed": sorted(set(records["seed"])),
            **began.facts(device, processes),
        },
        "limits": limits(records, samples, randomised=any(net["randomised"] for net in asked.values())),
    }
    return write_statement(facts, cfg.paths.output) if facts["attacks"] else None
