"""Hugging Face sources: configs from names, folders or dictionaries, and one-line errors."""

from contextlib import contextmanager
from pathlib import Path

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
        try:
            return AutoConfig.from_pretrained(model), model
        except (OSError, ValueError) as error:
            raise UserError(f"{field}.model_name_or_path: {_reason(model, error)}") from error
    if not config:
        raise UserError(f"{field}: give model_name_or_path or config (a dictionary)")
    values = dict(config)
    model_type = values.pop("model_type", None)
    try:
        return AutoConfig.for_model(model_type, **values), None
    except ValueError as error:
        raise UserError(f"{field}.config: model_type {model_type!r} is unknown") from error


def _reason(source: str, error: Exception) -> str:
    """Return one line on why `source` could not be loaded."""
    looks_like_path = Path(source).is_absolute() or source.startswith(".")
    if looks_like_path and not Path(source).is_dir():
        return f"{source}: no such folder"
    return f"{source} cannot be loaded: {first_line(error)}"


@contextmanager
def quiet_loading():
    """Silence transformers' progress bars and reports; the caller checks for missing weights."""
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
