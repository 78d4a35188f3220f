"""What a run follows from its configuration: the aligner, the checkpoint and the feature folder."""

from pathlib import Path

from espnet_wabert.config import read_yaml
from espnet_wabert.errors import UserError
from espnet_wabert.recipes.training_args import feature_folder, read_config


def checkpoint_name(config: str, slu_args: str) -> str:
    """Return the name of the averaged checkpoint: it tells the criterion that chose the epochs."""
    phase, metric, _ = (read_config(config, slu_args).get("best_model_criterion") or [_DEFAULT])[0]
    return f"{phase}.{metric}.ave.pth"


_DEFAULT = ("valid", "loss", "min")


def cached_features(config: str, slu_args: str, dump: str) -> Path | None:
    """Return the `feature_folder` of a run with --cache_features true.

    Raises:
        UserError: the frontend is trained; stage 10 would find it after hours of preparation.
    """
    folder = feature_folder(config, slu_args, dump)
    frozen = (read_config(config, slu_args).get("frontend_conf") or {}).get("freeze", "all")
    if folder is not None and frozen != "all":
        raise UserError(
            f"{config}: frontend_conf.freeze: {frozen}: only features of a wholly frozen encoder"
            " (all) can be cached: --cache_features false"
        )
    return folder


def default_aligner(config: str, slu_args: str) -> str:
    """Return the name of the aligner that a sentiment configuration starts from; "" for none.

    It is the configuration `align*.yaml` beside it with the same number of dropped layers and the
    paper's loss; of several, the one with the shortest name.

    Raises:
        UserError: no configuration has this number of dropped layers.
    """
    conf = read_config(config, slu_args)
    if conf.get("model") != "wabert_sentiment" or conf.get("encoder") is None:
        return ""
    depth = _depth(conf)
    folder = Path(config).parent
    for path in sorted(folder.glob("align*.yaml"), key=lambda path: (len(path.stem), path.stem)):
        aligner = read_yaml(path)
        loss = (aligner.get("model_conf") or {}).get("align_loss", "infonce")
        if aligner.get("model") == "wabert" and loss == "infonce" and _depth(aligner) == depth:
            return path.stem
    raise UserError(
        f"{config}: postencoder_conf.drop_layers: {depth}, and no {folder}/align*.yaml has the"
        " same; name the aligner with --aligner or --pretrained_model"
    )


def _depth(conf: dict) -> int | None:
    return (conf.get("postencoder_conf") or {}).get("drop_layers")
