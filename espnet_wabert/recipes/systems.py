"""Tables of systems, such as the paper's Table 3: one entry per row, in YAML.

A table has two keys::

    conf: ../../../conf             # the folder of the configurations, relative to the table
    systems:
        wabert_i6:                  # the row's name in the results
            slu_config: sentiment_bert_i6.yaml
            aligner: align_bert_i6.yaml

`System` lists the fields of a row.
"""

import os
from dataclasses import dataclass, fields
from pathlib import Path

from espnet_wabert.config import read_yaml
from espnet_wabert.errors import UserError

OPTION = "option"  # a recognizer of this name is the one of run.sh's --recognizer
TRANSCRIPTS = "transcripts"  # no recognizer: the reference transcripts


@dataclass(frozen=True)
class System:
    """One row of a table.

    Attributes:
        name: of the row in the results.
        slu_config: yaml of the model and its training, in the table's `conf`.
        model_of: row whose trained model this row decodes with; it has that row's other fields.
        speech_model: speech encoder, name or folder; None: run.sh's --speech_model.
        text_model: text encoder or BERT, name or folder; None: run.sh's --text_model.
        recognizer: of a pipeline: a CTC model, Whisper or `box`, `option` or `transcripts`; None
            for a system that is no pipeline.
        ngram: n-gram of OpenSLR 11 for CTC decoding.
        aligner: yaml of the aligner that fine-tuning starts from, in the table's `conf`.
        pretrained_model: model that fine-tuning starts from instead of an aligner of the table:
            a packed model, or `box`.
        more_data: whether the aligner also trains on the transcripts of SLUE.
        drop_layers: number of BERT's dropped layers in aligner and model; None: their yaml's.
        slu_args: more arguments for training.
    """

    name: str
    slu_config: Path
    model_of: str | None = None
    speech_model: str | None = None
    text_model: str | None = None
    recognizer: str | None = None
    ngram: str | None = None
    aligner: Path | None = None
    pretrained_model: str | None = None
    more_data: bool = False
    drop_layers: int | None = None
    slu_args: str = ""

    @property
    def depth_args(self) -> str:
        """Training arguments for `drop_layers`."""
        if self.drop_layers is None:
            return ""
        return f"--postencoder_conf drop_layers={self.drop_layers}"

    @property
    def aligner_tag(self) -> str:
        """Name of the aligner's experiment: its yaml, its own depth, and more data; or ""."""
        if self.aligner is None:
            return ""
        depth = "" if self.drop_layers is None else f"_drop{self.drop_layers}"
        return self.aligner.stem + depth + ("_more" if self.more_data else "")

    def options(self) -> list[str]:
        """Return the options that make run.sh run this system."""
        values = {
            "slu_config": str(self.slu_config),
            "speech_model": self.speech_model,
            "text_model": self.text_model,
            "recognizer": None if self.recognizer == OPTION else self.recognizer or "",
            "ngram": self.ngram or "",
            "aligner": self.aligner_tag,
            "pretrained_model": self.pretrained_model,
            "slu_args": f"{self.depth_args} {self.slu_args}".strip(),
            "model_tag": self.model_of or self.name,
            "slu_tag": self.name,
        }
        return _as_options({name: v for name, v in values.items() if v is not None})

    def aligner_options(self, transcripts: str, more_args: str = "") -> list[str]:
        """Return the options that make ../librispeech_wabert/run.sh train the aligner.

        Args:
            transcripts: formatted data folder that an aligner with `more_data` trains on too.
            more_args: more training arguments.
        """
        if self.aligner is None:
            return []
        values = {
            "slu_config": str(self.aligner),
            "slu_args": f"{self.depth_args} {more_args}".strip(),
        }
        if self.more_data:
            values["more_data"] = transcripts
        return _as_options({**values, "slu_tag": self.aligner_tag})


def read_systems(path: str | Path) -> dict[str, System]:
    """Return the rows of a table by name, in its order.

    Raises:
        UserError: a row with an unknown field, a wrong value or a missing file.
    """
    path = Path(path)
    table = read_yaml(path)
    rows = table.get("systems")
    unknown = sorted(table.keys() - {"conf", "systems"})
    if unknown or not isinstance(rows, dict) or not rows:
        raise UserError(f"{path}: a table of systems has the keys conf and systems, nothing else")
    conf = Path(os.path.relpath(path.parent / str(table.get("conf", "."))))
    return {str(name): _read_row(path, conf, str(name), rows) for name in rows}


def _read_row(path: Path, conf: Path, name: str, rows: dict) -> System:
    """Return one row; a row with `model_of` has the fields of that row."""
    where = f"{path}: system {name}"
    row = _checked(where, rows[name])
    if "model_of" in row:
        base = row["model_of"]
        if base not in rows or "model_of" in (rows[base] or {}):
            raise UserError(f"{where}: model_of: {base!r} is no row with a model of its own")
        row = {**_checked(f"{path}: system {base}", rows[base]), **row}
    if "slu_config" not in row:
        raise UserError(f"{where}: slu_config or model_of is missing")
    for field in ("slu_config", "aligner"):
        if field in row:
            row[field] = conf / row[field]
            if not row[field].is_file():
                raise UserError(f"{where}: {field}: {row[field]}: no such configuration")
    if "aligner" in row and "pretrained_model" in row:
        raise UserError(f"{where}: aligner and pretrained_model: a row starts from one of them")
    if "aligner" not in row and row.get("more_data"):
        raise UserError(f"{where}: more_data: there is no aligner to train on more data")
    return System(name=name, **row)


def _checked(where: str, row: object) -> dict:
    """Return a row whose fields are known and have the right types."""
    if not isinstance(row, dict):
        raise UserError(f"{where}: must hold fields and values")
    known = [field.name for field in fields(System) if field.name != "name"]
    types: dict[str, type] = {"more_data": bool, "drop_layers": int}
    for field, value in row.items():
        if field not in known:
            raise UserError(f"{where}: {field}: unknown; one of {', '.join(known)}")
        expected = types.get(field, str)
        if type(value) is not expected:  # a bool is an int, too
            raise UserError(f"{where}: {field}: {value!r} is no {expected.__name__}")
        if isinstance(value, str) and "\n" in value.strip():
            raise UserError(f"{where}: {field}: more than one line")
    if row.get("drop_layers", 0) < 0:
        raise UserError(f"{where}: drop_layers: {row['drop_layers']}: must be 0 or more")
    return {field: v.strip() if isinstance(v, str) else v for field, v in row.items()}


def _as_options(values: dict[str, str]) -> list[str]:
    return [word for name, value in values.items() for word in (f"--{name}", value)]
