"""Read the yaml files of `conf/`."""

from pathlib import Path

import yaml

from espnet_wabert.errors import UserError


def read_yaml(path: str | Path) -> dict:
    """Return the mapping in a yaml file; an error names the file and line."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such configuration")
    try:
        with path.open(encoding="utf-8") as file:
            values = yaml.safe_load(file)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8: byte {error.start}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: {getattr(error, 'problem', None) or 'not yaml'}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: must hold fields and values")
    return values
