"""What later stages need and what can be checked in the first seconds of a run."""

import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from espnet_wabert.constants import BOX, SPEECH_ENCODERS
from espnet_wabert.errors import UserError, first_line
from espnet_wabert.formats.lines import load_json
from espnet_wabert.recipes.systems import OPTION, TRANSCRIPTS, System
from espnet_wabert.recipes.training_args import read_config

NGRAM_PACKAGE = "ctc_beam_decoder"  # decodes with an n-gram; of the extra `pipeline`
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def check_systems(systems: Iterable[System], speech_model: str, text_model: str) -> None:
    """Check the pretrained models and the packages that systems need.

    Args:
        systems: rows of a table; one without `slu_config` is not trained.
        speech_model, text_model: the options of run.sh, for rows that name none.

    Raises:
        UserError: one of them is missing.
    """
    models: dict[tuple[str, tuple[str, ...]], str] = {}
    for system in systems:
        types = _types_of(system)
        for option, model in models_of(system, speech_model, text_model).items():
            name = f"{system.name}: {option}" if system.name else option
            models.setdefault((model, types.get(option, ())), name)
        if system.ngram:
            check_ngram_package()
    for (model, kinds), option in models.items():
        check_model(option, model, kinds)


def models_of(system: System, speech_model: str, text_model: str) -> dict[str, str]:
    """Return the pretrained models that a system reads, by the option that names them."""
    models = {}
    if system.recognizer not in (None, OPTION, TRANSCRIPTS, BOX):
        models["--recognizer"] = str(system.recognizer)
    if not str(system.slu_config):
        return models
    conf = read_config(str(system.slu_config), system.slu_args)
    speech_model, text_model = system.speech_model or speech_model, system.text_model or text_model
    given = {"frontend": speech_model, "postencoder": text_model}
    if conf.get("frontend") == "text":
        given["frontend"] = text_model
    for part, model in given.items():
        if conf.get(part) is not None:
            own = (conf.get(f"{part}_conf") or {}).get("model_name_or_path")
            models[f"{part}_conf.model_name_or_path"] = model or own or ""
    return {option: model for option, model in models.items() if model}


def _types_of(system: System) -> dict[str, tuple[str, ...]]:
    """Return the types of models (`model_type`) that the parts of a system take."""
    if not str(system.slu_config):
        return {}
    types: dict[str, tuple[str, ...]] = {"postencoder_conf.model_name_or_path": ("bert",)}
    if read_config(str(system.slu_config), system.slu_args).get("frontend") == "huggingface":
        types["frontend_conf.model_name_or_path"] = SPEECH_ENCODERS
    return types


def check_model(option: str, model: str, types: tuple[str, ...] = ()) -> None:
    """Check that a model exists: a folder with a config.json, or a name on the Hugging Face Hub.

    Args:
        option: that names the model, for the error.
        model: folder or name.
        types: values of `model_type` in config.json, one of which it must have; (): any.

    Raises:
        UserError: the folder is missing or is no model, the Hub does not have the name, or the
            model is of another type.
    """
    try:
        path = _config_of(model)
    except UserError as error:
        raise UserError(f"{option}: {model}: {error}") from None
    if types:
        config = load_json(path)
        found = config.get("model_type") if isinstance(config, dict) else None
        if found not in types:
            raise UserError(f"{option}: {model} is a {found!r} model, not {' or '.join(types)}")


def _config_of(model: str) -> Path:
    """Return the path of the config.json of a folder, or of a model on the Hub."""
    folder = Path(model)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError("this folder has no config.json")
        return folder / "config.json"
    if folder.is_absolute() or model.startswith("."):
        raise UserError("no such folder")
    return _config_on_hub(model)


def _config_on_hub(model: str) -> Path:
    """Return the path of a config.json from the Hub or its cache, or raise why there is none."""
    from huggingface_hub import errors, hf_hub_download
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # no line for each try
    try:
        return Path(hf_hub_download(model, "config.json"))
    except errors.GatedRepoError:
        reason = "gated on the Hub: accept its terms there, and run: hf auth login"
    except errors.RepositoryNotFoundError:
        reason = "no such folder, and no such model on the Hub"
    except errors.HFValidationError:
        reason = "no such folder, and not the name of a model on the Hub"
    except errors.LocalEntryNotFoundError:
        reason = "no such folder, not in the cache, and the Hub cannot be reached"
    except errors.EntryNotFoundError:
        reason = "this repository of the Hub has no config.json"
    except (errors.HfHubHTTPError, OSError) as error:
        reason = first_line(error)
    raise UserError(reason)


def check_ngram_package() -> None:
    """Check that the optional package for decoding with an n-gram is installed.

    Raises:
        UserError: it is not.
    """
    if find_spec(NGRAM_PACKAGE) is None:
        raise UserError("--ngram: needs the package ctc-beam-decoder: pip install -e '.[pipeline]'")


def check_upload(repo: str) -> None:
    """Check the name of a repository on the Hub, and that there is a token to upload with.

    Raises:
        UserError: the name is not OWNER/NAME, or there is no token.
    """
    from huggingface_hub import get_token

    if not _REPOSITORY.fullmatch(repo):
        raise UserError(f"--hf_repo {repo!r}: must be OWNER/NAME, such as you/wabert")
    if get_token() is None:
        raise UserError(f"--hf_repo {repo}: no token of the Hugging Face Hub; run: hf auth login")
