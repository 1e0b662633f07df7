"""``hardlight evaluate``: attack a trained net."""

from pathlib import Path

import pandas as pd
import pytorch_lightning as pl
from omegaconf import DictConfig

from hardlight import config
from hardlight.build import training
from hardlight.build.checkpoint import restore, trusted
from hardlight.build.data import datamodule, describe_data, read_data
from hardlight.build.evaluation import attack_evaluation, attack_grids, check_model, evaluation_n
from hardlight.build.fit import check_fit
from hardlight.build.model import defended_net
from hardlight.build.provenance import Provenance
from hardlight.build.settings import check_settings
from hardlight.build.statement import state
from hardlight.callbacks import Progress, tracked
from hardlight.classifier import Classifier
from hardlight.defenses import DefendedNet, DefenseStack
from hardlight.errors import UserError
from hardlight.verbs import outcome, plan


def run(cfg: DictConfig) -> pd.DataFrame:
    """Test one net under attack; the records are also written to the run's folder."""
    began = Provenance.now()
    check_settings(cfg)
    model, cfg = _subject(cfg)
    source = describe_data(cfg)
    attacks = attack_grids(cfg)
    n = evaluation_n(cfg, attacks)
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    data = datamodule(cfg, source, DefenseStack(), n_test=n if isinstance(n, int) else None)
    folder = Path(cfg.paths.output)
    crafted_on = restore(cfg.source, cfg.trust) if cfg.source else None
    if crafted_on:
        check_fit(f"source={cfg.source}", crafted_on.config.data, cfg.data)
    check_model(attacks, crafted_on.model if crafted_on else model, cfg.data)
    evaluation = attack_evaluation(
        cfg,
        attacks,
        source=crafted_on.model if crafted_on else None,
        source_name=str(cfg.source) if crafted_on else "self",
    )
    loggers = training.loggers(cfg)
    with tracked(loggers, evaluation):
        trainer = training.trainer(cfg, [Progress(), evaluation], loggers, enable_checkpointing=False)
        read_data(data, "test", evaluation.metrics)
        plan.announce(cfg, data, model, attacks, loggers)
        trainer.test(Classifier(model, cfg.data.num_classes, chunk=cfg.chunk), datamodule=data, verbose=False)
    if trainer.is_global_zero:
        nets = {str(cfg.ckpt or cfg.model.get("weights") or "as it began, no weights loaded"): model}
        if crafted_on:
            nets[str(cfg.source)] = crafted_on.model
        machine = trainer.strategy.root_device, trainer.world_size
        state(cfg, began, data, nets, evaluation.records, evaluation.samples, *machine)
        outcome.show(folder, "hardlight train -m 'defense=[],[gda],[at]' activation=relu,brelu", evaluation.examples)
    return evaluation.records


def _subject(cfg: DictConfig) -> tuple[DefendedNet, DictConfig]:
    """The net to attack, and the configuration with what its checkpoint says of data, model and defenses."""
    if cfg.ckpt is None:
        if cfg.model is None or cfg.data is None:
            raise UserError(
                "evaluate needs ckpt=PATH, or a net of yours: "
                "model=python model.path=your.module:make model.weights=FILE data=NAME"
            )
        config.write_choices(cfg)
        cfg.defense = {}
        describe_data(cfg)
        return defended_net(cfg, DefenseStack()), cfg
    if cfg.model is not None:
        raise UserError("evaluate takes ckpt=PATH or model=NAME, not both: a checkpoint brings its own net")
    restored = restore(cfg.ckpt, cfg.trust)
    theirs = restored.config
    if cfg.data is None:
        cfg.data = theirs.data
        cfg.data = trusted(cfg.data, f"{cfg.ckpt}: data", cfg.trust)
    cfg.model, cfg.activation, cfg.defense, cfg.choices = (
        theirs.model,
        theirs.activation,
        theirs.defense,
        theirs.choices,
    )
    describe_data(cfg)
    check_fit(f"ckpt={cfg.ckpt}", theirs.data, cfg.data)
    return restored.model, cfg
