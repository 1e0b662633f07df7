"""Every mistake that can be found without running anything, found before anything is written."""

import os
import re
from collections.abc import Iterator
from difflib import get_close_matches

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from hardlight.checks import nearest, one_of, suggestion
from hardlight.cli.arguments import Arguments
from hardlight.cli.wording import omegaconf_sentence
from hardlight.config import conf_folder
from hardlight.errors import UserError

NEEDED = ("model", "activation", "optimizer", "trainer", "paths", "evaluation", "seed", "name", "chunk")


def check(arguments: Arguments) -> None:
    """Composes the configuration, a sweep's with each of its values at least once; UserError if a job could not."""
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise UserError("the current folder is no longer there: change to another") from error
    with initialize_config_dir(str(conf_folder()), job_name=arguments.verb, version_base="1.3"):
        overrides = [_parsed(text) for text in arguments.overrides]
        for override in overrides:
            if _is_no_option(override):
                options = ", ".join(_options(override.key_or_group))
                raise UserError(f"{override.input_line}: {override.key_or_group} takes one of its options ({options})")
            if override.is_delete() and override.key_or_group in NEEDED:
                raise UserError(f"{override.input_line}: a run needs its {override.key_or_group}; change it instead")
            outer = re.fullmatch(
                r"((?:attack|defense)\..+?)\.attacks\..+\.(eps|norm|label)", str(override.key_or_group)
            )
            if outer and not override.is_delete():
                raise UserError(
                    f"{override.input_line}: all attacks inside have that of {outer[1]}: set {outer[1]}.{outer[2]}"
                )
            if override.is_sweep_override() and not arguments.multirun:
                raise UserError(_several(override))
        for job in _each_value_once(overrides):
            _check_job(job, arguments)


def _parsed(text: str) -> Override:
    if text.startswith("="):
        raise UserError(f"{text!r} has no name before the =")
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    try:
        return parser.parse_overrides([text])[0]
    except OverrideParseException as error:
        if "=" not in text:
            example = f"ckpt={text}" if "/" in text or text.endswith(".ckpt") else f"{text}=VALUE"
            raise UserError(f"{text!r} is not a setting: a setting has a name, as in {example}") from error
        key, value = text.split("=", 1)
        raise UserError(f"{text!r} cannot be read; if {value} is plain text, quote it twice: '{key}=\"…\"'") from error


def _options(group: str) -> list[str]:
    return sorted(GlobalHydra.instance().config_loader().get_group_options(group))


def _is_no_option(override: Override) -> bool:
    plain = not (override.is_delete() or override.is_sweep_override())
    return (
        plain and not isinstance(override.value(), str | list | QuotedString) and bool(_options(override.key_or_group))
    )


def _several(override: Override) -> str:
    text = str(override.input_line)
    key, _, value = text.partition("=")
    return f"{text} asks for several runs: add -m for a run each, or write '{key}=[{value}]' for a list"


def _each_value_once(overrides: list[Override]) -> Iterator[list[str]]:
    """The first value of all, then the others of each beside the first of the rest: their sum, not their product."""
    choices = []
    for override in overrides:
        if override.is_discrete_sweep():
            choices.append(_unlike(override))
        elif not override.is_sweep_override():
            choices.append([str(override.input_line)])
    first = [values[0] for values in choices]
    yield first
    for at, values in enumerate(choices):
        for value in values[1:]:
            yield [*first[:at], value, *first[at + 1 :]]


def _unlike(override: Override) -> list[str]:
    """A sweep's overrides, of numbers only one of a kind: they are accepted or refused together."""
    found, kinds = [], set()
    for value in override.sweep_string_iterator():
        text = f"{override.get_key_element()}={value}"
        kind = type(_parsed(text).value())
        if kind not in kinds or kind not in (int, float):
            found.append(text)
        kinds.add(kind)
    return found


def _check_job(overrides: list[str], arguments: Arguments) -> None:
    try:
        cfg = _compose(overrides, arguments)
    except MissingConfigException as error:
        raise UserError(_missing_option(error, overrides)) from error
    except (ConfigCompositionException, HydraException, OmegaConfBaseException) as error:
        raise UserError(_refused(error, overrides, arguments)) from error
    if arguments.package and OmegaConf.select(cfg, arguments.package, throw_on_missing=False) is None:
        hint = suggestion(arguments.package, settings(cfg))
        raise UserError(f"--package {arguments.package}: there is no such part of the configuration{hint}")
    if not any(flag.startswith(("--cfg", "--info", "--hydra-help")) for flag in arguments.flags):
        _check_values(cfg)


def _compose(overrides: list[str], arguments: Arguments) -> DictConfig:
    search = [f"hydra.searchpath=['file://{arguments.config_dir}']"] if arguments.config_dir else []
    return compose(arguments.config_name, [*search, *overrides], return_hydra_config=True)


def _missing_option(error: MissingConfigException, overrides: list[str]) -> str:
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    if not group:
        return f"there is no configuration called {option}"
    options = sorted(error.options or _options(group))
    asked = next((text for text in overrides if re.search(rf"\b{re.escape(option)}\b", text.partition("=")[2])), "")
    where = f"{asked}: " if asked else ""
    return f"{where}there is no {group} {option!r}{suggestion(option, options)} ({group}: {', '.join(options)})"


def _refused(error: Exception, overrides: list[str], arguments: Arguments) -> str:
    reason = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else None
    said = str(error).splitlines()[0]
    merging = re.match(r"Error merging override (.*)", said)
    if merging and "is not a ListConfig" in str(reason):
        key, _, value = merging.group(1).partition("=")
        return f"{merging.group(1)}: {key} takes a list, as in '{key}=[{value}]'"
    if merging and reason:
        return f"{merging.group(1)}: {str(reason.msg or reason).splitlines()[0]}"
    unknown = re.match(r"Could not (?:override|delete from config)\W+(\S+?)'?\.(?:$| )", said)
    if unknown:
        return _unknown(unknown.group(1), overrides, arguments)
    return said


def _unknown(key: str, overrides: list[str], arguments: Arguments) -> str:
    others = [text for text in overrides if text.lstrip("+~").partition("=")[0] != key]
    try:
        cfg = _compose(others, arguments)
    except HydraException:
        cfg = _compose([], arguments)
    keys = list(settings(cfg))
    group, _, rest = key.partition(".")
    option, options = rest.partition(".")[0], _options(group)
    if rest and cfg.get(group) is None and options:
        return f"there is no setting {key}: no {group} is chosen here, so add {group}=OPTION ({', '.join(options)})"
    if option in options and f"{group}.{option}" not in keys:
        return f"there is no setting {key}: {option} is not chosen, as in '{group}=[{option}]'"
    close = nearest_key(key, keys)
    return f"there is no setting {key}" + (f"; did you mean {close}?" if close else "")


def nearest_key(key: str, keys: list[str]) -> str | None:
    """Beside it if its parent exists; else one of the same last name, at the top, or anywhere."""
    parent, _, last = key.rpartition(".")
    beside = [name for name in keys if parent and name.rpartition(".")[0] == parent]
    by_name = {name.rpartition(".")[2]: name for name in reversed(beside or keys)}
    top = get_close_matches(key, [name for name in keys if "." not in name], n=1, cutoff=0.7)
    if top and not beside and last not in by_name:
        return top[0]
    close = nearest(last, by_name)
    return by_name[close] if close else None


def settings(cfg: DictConfig, prefix: str = "") -> Iterator[str]:
    """The full key of everything in a composed configuration, but Hydra's own."""
    for key in map(str, cfg):
        if prefix or key != "hydra":
            yield f"{prefix}{key}"
            value = cfg._get_node(key)
            if (
                isinstance(value, DictConfig)
                and not value._is_none()
                and not value._is_missing()
                and not value._is_interpolation()
            ):
                yield from settings(value, f"{prefix}{key}.")


def _check_norms(cfg: DictConfig) -> None:
    """An attack's eps is looked up under its norm, so a misspelt one would be told of the data."""
    known = cfg.data.get("eval_eps") if cfg.get("data") else None
    for name, node in (cfg.get("attack") or {}).items():
        if known and isinstance(node, DictConfig) and "norm" in node:
            try:
                one_of(f"attack.{name!s}.norm", node.norm, map(str, known))
            except ValueError as error:
                raise UserError(str(error)) from error


def _check_values(cfg: DictConfig) -> None:
    """Each value can be resolved and none is missing; what a checkpoint fills in later, under a None, may wait."""
    with read_write(cfg.hydra.runtime), open_dict(cfg.hydra.runtime):
        cfg.hydra.runtime.output_dir = ""
    HydraConfig.instance().set_config(cfg)
    _check_norms(cfg)
    for key in settings(cfg):
        try:
            OmegaConf.select(cfg, key, throw_on_missing=True, throw_on_resolution_failure=True)
        except OmegaConfBaseException as error:
            missing = re.search(r"(?:Interpolation key '|trying to access )(\w+)", str(error))
            if not (missing and missing.group(1) in cfg and cfg[missing.group(1)] is None):
                raise UserError(omegaconf_sentence(error)) from error
