"""Every option of every group and every setting of every option with a letter wrong: the sentence names the right one.

All is read from conf/, so that what is added there is covered by itself.
"""

import re
from collections.abc import Iterator

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from hardlight import config
from hardlight.cli import main
from hardlight.cli.check import nearest_key, settings

CONF = config.conf_folder()
VERBS = {
    file.stem: file.read_text("utf-8") for file in sorted(CONF.glob("*.yaml"), key=lambda file: file.stem != "train")
}
LISTED = {group for text in VERBS.values() for group in re.findall(r"^  - (\w+): \[", text, re.MULTILINE)}
OPTIONS = [
    (verb, file.parent.name, file.stem)
    for file in sorted(CONF.glob("*/*.yaml"))
    for verb in [next((verb for verb, text in VERBS.items() if f"  - {file.parent.name}: " in text), None)]
    if verb
]
BEFORE = {  # what else an option needs, to compose at all
    "data=npz": ["data.source.train=train.npz", "data.source.test=test.npz"],
    "data=image_folder": ["data.source.train=train", "data.source.test=test"],
    "model=python": ["model.path=torch.nn:Identity"],
}


def misspelt(word: str) -> str:
    """Without its middle letter; a word too short to miss one, with its last letter doubled."""
    middle = len(word) // 2
    return word[:middle] + word[middle + 1 :] if len(word) > 3 else word + word[-1]


def choice(group: str, option: str) -> str:
    return f"{group}=[{option}]" if group in LISTED else f"{group}={option}"


def composed(verb: str, *overrides: str) -> DictConfig:
    config.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(verb, list(overrides))


def test_every_group_of_every_verb_is_covered() -> None:
    groups = {group for text in VERBS.values() for group in re.findall(r"^  - (\w+): ", text, re.MULTILINE)}
    assert {group for _, group, _ in OPTIONS} == groups & {file.name for file in CONF.iterdir()}
    assert len(OPTIONS) > 40


@pytest.mark.parametrize(("verb", "group", "option"), OPTIONS)
def test_an_option(verb: str, group: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = misspelt(option)
    assert main([verb, choice(group, wrong)]) == 2
    said = capsys.readouterr().err
    assert f"there is no {group} '{wrong}'" in said
    assert f"; did you mean {option}?" in said
    assert said.count("\n") == 1


def leaves(verb: str, group: str, option: str) -> Iterator[str]:
    cfg = composed(verb, choice(group, option), *BEFORE.get(choice(group, option), []))
    part = group if group not in LISTED else f"{group}.{option}"
    return (key for key in settings(cfg) if key.startswith(f"{part}."))


def test_every_setting_of_every_option() -> None:
    asked = 0
    for verb, group, option in OPTIONS:
        keys = list(leaves(verb, group, option))
        for key in keys:
            parent, _, name = key.rpartition(".")
            assert nearest_key(f"{parent}.{misspelt(name)}", keys) == key
            asked += 1
    assert asked > 400


ONE_A_GROUP = list({(verb, group): (verb, group, option) for verb, group, option in OPTIONS}.values())


@pytest.mark.parametrize(("verb", "group", "option"), ONE_A_GROUP)
def test_a_setting_through_the_program(verb: str, group: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    for right in [*leaves(verb, group, option)][-1:]:  # none in a group whose last option is empty
        parent, _, name = right.rpartition(".")
        wrong = f"{parent}.{misspelt(name)}"
        assert main([verb, choice(group, option), f"{wrong}=1"]) == 2
        assert capsys.readouterr().err == f"hardlight: there is no setting {wrong}; did you mean {right}?\n"
