"""The configuration of a fine-tuning on few clips, and what a folder was made with."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from espnet_wabert.box.files import SOURCE
from espnet_wabert.config import read_yaml
from espnet_wabert.errors import UserError
from espnet_wabert.formats.lines import write_atomically
from espnet_wabert.models.checkpoint import PACKED
from espnet_wabert.models.provenance import provenance
from espnet_wabert.modules.pretrained import load_config
from espnet_wabert.training.experiment import compare_options

SETTINGS = "settings.yaml"
WARMUP = 0.1  # of all steps
BATCH_SECONDS = 60.0  # of padded audio, without gradients

TRAINING: dict[str, Any] = dict(
    freeze_param=["encoder"],
    optim="adamw",
    optim_conf=dict(lr=0.0001, weight_decay=0.01),
    scheduler="linearwarmupdecaylr",
    scheduler_conf={},  # see `with_warmup`
    grad_clip=5.0,
    early_stopping_criterion=["valid", "macro_f1", "max"],
    best_model_criterion=[["valid", "macro_f1", "max"]],
    keep_nbest_models=5,  # averaged; of fewer epochs, ESPnet takes the best one
    patience=5,  # epochs without a better score; one more stops the training
    batch_type="sorted",  # clips of similar length
    batch_size=16,
    accum_grad=1,
    num_workers=0,
    use_tensorboard=False,
    use_matplotlib=False,
    num_att_plot=0,
    log_interval=50,
)


def configuration(
    aligned: Namespace, labels: Sequence[str], text: bool, epochs: int, seed: int
) -> dict[str, Any]:
    """Return the training configuration; `with_warmup` completes it.

    The speech encoder and the aligner are frozen: hundreds of labels would degrade them. The head,
    the prosody branch, which hears how it is said, and BERT's last two layers are trained. With
    text, the classifier also learns from BERT's states of it, and classifies what the model reads.

    Args:
        aligned: configuration of the aligned model that it starts from.
        labels: the classes.
        text: there are transcripts, or hypotheses.
        epochs: at most.
        seed: of the training.
    """
    postencoder = _sourced(aligned.postencoder_conf)
    postencoder["drop_layers"] = aligned.postencoder_conf.get("drop_layers", 3)
    left = bert_config(aligned).num_hidden_layers - postencoder["drop_layers"]
    postencoder["train_layers"] = min(2, left)
    model: dict[str, Any] = dict(
        labels=list(labels), pooling="attention", dropout=0.2,
        prosody_pooling="statistics", prosody_dropout=0.5,
        class_weights="balanced",  # the score is macro F1
    )  # fmt: skip
    if text:
        model["text_weight"] = 1.0
        if reads_letters(aligned):
            model |= dict(self_transcript_weight=0.5, self_transcript="letters")
        elif (aligned.model_conf or {}).get("subword_weight", 1.0):  # its head reads the tokens
            model |= dict(self_transcript_weight=0.5)
    return dict(
        frontend=aligned.frontend,
        frontend_conf=_sourced(aligned.frontend_conf) | dict(freeze="all", convolutions=True),
        encoder=aligned.encoder,
        encoder_conf={k: v for k, v in aligned.encoder_conf.items() if k != "output_size"},
        postencoder=aligned.postencoder,
        postencoder_conf=postencoder,
        model="wabert_sentiment",
        model_conf=model,
        **TRAINING,
        max_epoch=epochs,
        seed=seed % 2**31,  # ESPnet adds the epoch, and numpy takes no seed above 2**32 - 1
    )


def with_warmup(conf: dict[str, Any], steps: int) -> dict[str, Any]:
    """Return the configuration with a warm-up for a training of so many steps."""
    return conf | dict(scheduler_conf={"warmup_steps": int(WARMUP * steps)})


def reads_letters(aligned: Namespace) -> bool:
    """Return whether a model has a CTC head, which reads speech much better than single tokens."""
    return bool((aligned.model_conf or {}).get("ctc_weight"))


def has_teacher(aligned: Namespace) -> bool:
    """Return whether a model has BERT's lower layers, which training on text needs."""
    return not getattr(aligned, "packed", False) or bool(getattr(aligned, "with_teacher", False))


def bert_config(aligned: Namespace):
    """Return the Hugging Face config of a model's BERT."""
    conf = aligned.postencoder_conf
    return load_config("postencoder_conf", conf.get(SOURCE), conf.get("config"), True)[0]


def _sourced(conf: dict[str, Any]) -> dict[str, Any]:
    """Return where the weights of a part are from; its config only if they have no source."""
    kept = {name: conf[name] for name in (SOURCE, "normalize") if name in conf}
    return kept if conf.get(SOURCE) else kept | {SOURCE: None, "config": conf.get("config")}


def claim(out: Path, settings: dict[str, Any]) -> bool:
    """Return whether a folder has been prepared with these settings before.

    One that was prepared with others, and in which nothing was trained yet, is prepared anew.

    Raises:
        UserError: a model was trained there with other settings, which are named, or the folder has
            files of something else.
    """
    path = out / SETTINGS
    if not path.is_file():
        others = sorted(p.name for p in out.glob("*") if p.name != "data") if out.exists() else []
        if others:
            raise UserError(f"{out}: has other files ({others[0]}); choose another --out")
        return False
    differences = compare_options(read_yaml(path), settings, ("versions",))
    if differences and ((out / PACKED).is_file() or any((out / "train").glob("*.pth"))):
        raise UserError(
            f"{out}: was made with other settings: {'; '.join(differences)}; choose another --out,"
            " or remove this folder"
        )
    if differences:  # until `keep`, the data folders are of neither
        write_atomically(path, yaml.safe_dump({"prepared": False}))
    return not differences


def keep(out: Path, settings: dict[str, Any]) -> None:
    """Write the settings and the versions of the packages to OUT/settings.yaml."""
    text = yaml.safe_dump(settings | {"versions": versions()}, sort_keys=False)
    write_atomically(out / SETTINGS, text)


def versions() -> dict[str, str]:
    """Return commit, threads and machine, and the versions of Python and of the packages."""
    made = provenance()
    own = {name: str(made[name]) for name in ("commit", "threads", "machine") if made[name]}
    return {**own, **made["versions"]}
