"""``hardlight train``: train, test under attack, report."""

from pathlib import Path

import pandas as pd
import pytorch_lightning as pl
import torch
from omegaconf import DictConfig

from hardlight import config
from hardlight.build import training
from hardlight.build.data import datamodule, describe_data, read_data
from hardlight.build.evaluation import attack_evaluation, attack_grids, check_model, evaluation_n
from hardlight.build.model import defended_net, defense_stack
from hardlight.build.provenance import Provenance
from hardlight.build.resumption import resumption
from hardlight.build.settings import check_settings
from hardlight.build.statement import state
from hardlight.callbacks import tracked
from hardlight.evaluation.run_folder import in_order
from hardlight.verbs import outcome, plan
from hardlight.verbs.regions import draw_regions


def run(cfg: DictConfig) -> pd.DataFrame:
    """Train and test one net; its records are also written to the run's folder."""
    began = Provenance.now()
    ckpt, kept, steps = cfg.ckpt, None, 0
    if ckpt is None:
        config.write_choices(cfg)
    else:
        resumed = resumption(cfg)
        cfg, kept, steps = resumed.config, resumed.kept, resumed.steps
    check_settings(cfg)
    source = describe_data(cfg)
    stack = defense_stack(cfg)
    attacks = attack_grids(cfg)
    n = evaluation_n(cfg, attacks)
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    model = defended_net(cfg, stack)
    check_model(attacks, model, cfg.data)
    classifier = training.classifier(cfg, model, kept or config.plain(cfg))
    data = datamodule(cfg, source, stack, n_test=n if isinstance(n, int) else None)
    folder = Path(cfg.paths.output)
    evaluation = attack_evaluation(cfg, attacks)
    callbacks = training.callbacks(cfg)
    loggers = training.loggers(cfg, steps)
    with tracked(loggers, evaluation):
        trainer = training.trainer(cfg, [*callbacks.values(), evaluation], loggers)
        read_data(data, "fit", evaluation.metrics)
        training.check_last_batch(data, model, trainer)
        plan.announce(cfg, data, model, attacks, loggers)
        if ckpt and trainer.is_global_zero:
            for stale in ("records.csv", "samples.parquet"):  # of the net before it went on
                (folder / stale).unlink(missing_ok=True)
        trainer.fit(classifier, datamodule=data, ckpt_path=ckpt, weights_only=True)
        if trainer.is_global_zero and ckpt and trainer.global_step == steps:
            print(f"! the training had ended already, after {steps} steps: what follows are the attacks alone")
        best = folder / "best.ckpt"
        if best.is_file():
            classifier.load_state_dict(torch.load(best, map_location="cpu", weights_only=True)["state_dict"])
        else:  # nothing was trained or validated: what is there is the best there is
            trainer.save_checkpoint(best)
        if trainer.is_global_zero and trainer.global_step == 0:
            print("! no training step was taken: what follows is the net as it began")
        trainer.test(classifier, datamodule=data, verbose=False)
    if trainer.is_global_zero:
        machine = trainer.strategy.root_device, trainer.world_size
        state(cfg, began, data, {str(best): model}, evaluation.records, evaluation.samples, *machine)
        draw_regions(folder)
        outcome.show(folder, outcome.harder(best), evaluation.examples)
    return evaluation.records


def summarise(folder: Path) -> None:
    """The comparison of a sweep's runs: a table, ``sweep.csv``, and the curves or decision regions of all."""
    draw_regions(folder)
    outcome.show(folder, outcome.harder(in_order(folder.rglob("best.ckpt"))[-1]))
