"""What a run, or a sweep of runs, ends with: the table, what to beware of, the pictures, and where it all is."""

from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from hardlight.callbacks import Example
from hardlight.evaluation.disagreement import disagreement
from hardlight.evaluation.run_folder import in_order, read_records, read_samples, write_csv
from hardlight.reporting import accuracy_curves, comparison_table, gallery, measures, measures_table, wide
from hardlight.verbs.shown import shown as shown


def show(folder: Path, next_command: str, examples: Sequence[Example] = ()) -> None:
    """Everything there is to see of the runs in or below ``folder``, and one thing to try next."""
    console = Console(highlight=False, markup=False)
    records = read_records(folder)
    console.print()
    console.print(comparison_table(records))
    if len(measures(records)):
        console.print(measures_table(records))
    samples = read_samples(folder)
    for sentence in disagreement(samples, records):
        console.print(f"! {sentence}", style="yellow")
    if (records["attack"] != "none").any():
        accuracy_curves(records, folder / "figures" / "accuracy.png", samples)
    if examples:
        draw(examples, folder)
    if not (folder / "records.csv").is_file():
        write_csv(wide(records), folder / "sweep.csv")
    console.print()
    beside = [file for kind in ("*.csv", "*.parquet", "*.md") for file in folder.glob(kind)]
    written = [*folder.rglob("*.png"), *beside, *folder.rglob("best.ckpt")]
    for path in in_order(written):
        console.print(f"  {shown(path)}", soft_wrap=True)
    console.print(f"\nnext: {next_command}", soft_wrap=True)


def draw(examples: Sequence[Example], folder: Path) -> None:
    """The gallery of the attack that fooled most of the examples, at the middle of its eps."""
    fooled: dict[str, int] = {}
    for example in examples:
        won = example.adversarial_logits.argmax() != example.label
        fooled[example.attack] = fooled.get(example.attack, 0) + int(won)
    attack = max(reversed(fooled), key=lambda name: fooled[name])
    grid = sorted({example.eps for example in examples if example.attack == attack})
    eps = grid[len(grid) // 2]
    chosen = [example for example in examples if example.attack == attack and example.eps == eps]
    clean, adversarial = (
        torch.stack([getattr(each, f"{form}_logits") for each in chosen]).softmax(1)
        for form in ("clean", "adversarial")
    )
    gallery(
        torch.stack([each.clean for each in chosen]),
        torch.stack([each.adversarial for each in chosen]),
        [each.label for each in chosen],
        folder / "figures" / "gallery.png",
        clean_prediction=clean.argmax(1),
        adversarial_prediction=adversarial.argmax(1),
        attack=attack,
        eps=eps,
        clean_confidence=clean.amax(1),
        adversarial_confidence=adversarial.amax(1),
    )


def harder(ckpt: Path) -> str:
    """The command that attacks a checkpoint with today's standard, on few enough images for a CPU."""
    return f"hardlight evaluate ckpt={shown(ckpt)} 'attack=[auto]' evaluation.n=200"
