"""Hugging Face sources: configs from names, folders or dictionaries, and one-line errors."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, PretrainedConfig
from transformers.utils import logging as hf_logging

from espnet_wabert.errors import UserError, first_line


def load_config(
    field: str, model: str | None, config: dict | None, pretrained: bool
) -> tuple[PretrainedConfig, str | None]:
    """Return a Hugging Face config and the source of its weights.

    Args:
        field: name of the option, such as frontend_conf, for errors.
        model: name on the Hub, folder, or None.
        config: a config as a dictionary, or None.
        pretrained: use `model`; False: use `config` only, and the source is None.
    """
    if model is not None and pretrained:
        return load_source_config(f"{field}.model_name_or_path", model), model
    if not config:
        raise UserError(f"{field}: give model_name_or_path or config (a dictionary)")
    values = dict(config)
    model_type = values.pop("model_type", None)
    try:
        return AutoConfig.for_model(model_type, **values), None
    except ValueError as error:
        raise UserError(f"{field}.config: model_type {model_type!r} is unknown") from error


def load_source_config(option: str, source: str) -> PretrainedConfig:
    """Return the Hugging Face config of a source, a name on the Hub or a folder.

    Raises:
        UserError: there is none; it names the option.
    """
    try:
        return AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise UserError(f"{option}: {_reason(source, error)}") from error


def _reason(source: str, error: Exception) -> str:
    """Return one line on why `source` could not be loaded."""
    looks_like_path = Path(source).is_absolute() or source.startswith(".")
    if looks_like_path and not Path(source).is_dir():
        return f"{source}: no such folder"
    return f"{source} cannot be loaded: {first_line(error)}"


def load_weights(
    kind: Any, field: str, source: str, may_lack: str | None = None, **options: Any
) -> tuple[Any, list[str]]:
    """Return the model of a source in float32, and the names of the weights that the source lacks.

    Args:
        kind: the class of transformers that loads it.
        field: name of the option, such as frontend_conf, for errors.
        source: name on the Hub or folder.
        may_lack: part of the names of weights that are not needed.
        options: of `from_pretrained`.

    Raises:
        UserError: weights are missing, or their file cannot be read.
        TypeError: the model does not take the options.
    """
    try:
        with quiet_loading():
            model, loading = kind.from_pretrained(
                source, dtype=torch.float32, output_loading_info=True, **options
            )
    except (TypeError, MemoryError):
        raise
    except Exception as error:  # safetensors, pickle and zipfile have types of their own
        raise UserError(f"{field}.model_name_or_path: {_reason(source, error)}") from error
    lacking = sorted(loading["missing_keys"])
    missing = [key for key in lacking if may_lack is None or may_lack not in key]
    if missing:
        raise UserError(
            f"{field}.model_name_or_path: {source} lacks {len(missing)} weights ({missing[0]}, ...)"
        )
    return model, lacking


@contextmanager
def quiet_loading():
    """Silence transformers' progress bars and reports, of missing weights too."""
    verbosity = hf_logging.get_verbosity()
    bars = hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        hf_logging.set_verbosity(verbosity)
        if bars:
            hf_logging.enable_progress_bar()
