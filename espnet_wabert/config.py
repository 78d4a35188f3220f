"""Read the yaml files of `conf/` and of models."""

from pathlib import Path
from typing import Any

import yaml

from espnet_wabert.errors import UserError, first_line

MOST_VALUES = 10_000_000  # of a file whose aliases are written out; a vocabulary has 100,000


def read_yaml(path: str | Path) -> dict:
    """Return the mapping in a yaml file; an error names the file and line."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such configuration")
    values = parse_yaml(path.read_bytes(), str(path))
    if not isinstance(values, dict):
        raise UserError(f"{path}: must hold fields and values")
    for name in values:
        if not isinstance(name, str):
            raise UserError(f"{path}: field {name!r}: must be a name")
    return values


def parse_yaml(text: str | bytes, where: str) -> Any:
    """Return the value of a yaml text.

    Args:
        text: yaml; bytes are UTF-8.
        where: name of the text in errors.

    Raises:
        UserError: it is no yaml, names a field twice, or is a small text of very many values.
    """
    try:
        loader, node = _parse(text.decode("utf-8") if isinstance(text, bytes) else text)
        if node is None:
            return None
        _count(node, {}, where)
        return loader.construct_document(node)
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not text in UTF-8: byte {error.start}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or "not yaml"
        raise UserError(f"{where}{line}: {reason}") from error
    except RecursionError:
        raise UserError(f"{where}: not a configuration: nested too deeply") from None
    except ValueError as error:  # an impossible date or number
        if isinstance(error, UserError):
            raise
        raise UserError(f"{where}: {first_line(error)}") from error


def _parse(text: str) -> tuple[Any, yaml.Node | None]:
    """Return the loader of a text, and its node.

    libyaml, if PyYAML was built with it, takes a tenth of the time for a model with a vocabulary;
    yaml's own parser tells better what is wrong.
    """
    try:
        loader: Any = _LibyamlLoader(text)
        return loader, loader.get_single_node()
    except yaml.YAMLError:
        loader = _Loader(text)
        return loader, loader.get_single_node()


class _OnceEach:
    """yaml would silently keep the last value of a field that is there twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"field {key.value!r} is there twice", key.start_mark
                    )
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)  # type: ignore[misc]  # of a yaml loader


class _Loader(_OnceEach, yaml.SafeLoader):
    pass


class _LibyamlLoader(_OnceEach, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    pass


def _count(node: yaml.Node, counts: dict[int, int | None], where: str) -> int:
    """Return the number of values of a node, aliases written out; refuse too many, and loops."""
    key = id(node)
    if key not in counts:
        counts[key] = None  # until it is known
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            parts = node.value
        counts[key] = 1 + sum(_count(part, counts, where) for part in parts)
    count = counts[key]
    if count is None or count > MOST_VALUES:
        line = node.start_mark.line + 1
        what = "contains itself" if count is None else f"stands for more than {MOST_VALUES} values"
        raise UserError(f"{where}:{line}: {what}: not a configuration")
    return count
