"""Reads what an offline run of W&B holds, from its own file."""

import json
from pathlib import Path

from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 32768  # bytes; a record that does not fit goes on in the next block, as in LevelDB's log


class Offline:
    """The runs' folder ``offline-run-…``, its records sorted."""

    def __init__(self, folder: Path):
        (file,) = folder.glob("*.wandb")
        self.folder = folder
        records = list(_records(file.read_bytes()))
        self.run = next(each.run for each in records if each.HasField("run"))
        self.config = [_items(each.config.update) for each in records if each.HasField("config")]
        self.metrics = [each.metric for each in records if each.HasField("metric")]
        self.history = [_items(each.history.item) for each in records if each.HasField("history")]
        summaries = [_items(each.summary.update) for each in records if each.HasField("summary")]
        self.summary = {key: value for each in summaries for key, value in each.items()}
        self.exit_codes = [each.exit.exit_code for each in records if each.HasField("exit")]

    def table(self, name):
        (file,) = self.folder.glob(f"files/media/table/{name}_*.table.json")
        table = json.loads(file.read_text())
        return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def _records(data):
    at, whole = 7, b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(whole)
            whole = b""


def _items(items):
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
