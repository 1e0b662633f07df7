"""What a run is called in tables, figures and sentences: its defense and activation, and what else tells it apart."""

import pandas as pd


def run_labels(records: pd.DataFrame) -> dict[str, str]:
    """A label for each run, in order of appearance: "gda · brelu", with model, data, seed or form where they differ."""
    runs = records.drop_duplicates("run").set_index("run")
    parts = [runs["defense"], runs["activation"]]
    parts += [runs[fact] for fact in ("model", "data", "form") if runs[fact].nunique() > 1]
    if runs["seed"].nunique() > 1:
        parts.append("seed " + runs["seed"].astype(str))
    labels = pd.Series([" · ".join(map(str, row)) for row in zip(*parts, strict=True)], index=runs.index, dtype=object)
    alike = labels.duplicated(keep=False)
    labels[alike] = labels[alike] + " · " + runs.index[alike].astype(str)
    return {str(run): str(label) for run, label in labels.items()}
