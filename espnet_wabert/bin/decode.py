"""Decode a data folder with a trained model (stage 12)."""

import json
from functools import partial
from pathlib import Path

import click

from espnet_wabert.bin.options import worker_options
from espnet_wabert.constants import PROVENANCE
from espnet_wabert.errors import UserError, one_line_errors


@click.command()
@click.option("--model", required=True, help="The .pth (config.yaml beside it), or a packed .zip.")
@click.option("--dump", required=True, type=Path, help="dump/raw, one data folder per set.")
@click.option("--sets", required=True, help="The sets to decode, such as 'dev test'.")
@click.option("--feats", help="Cached features of the same frontend, one folder per set.")
@click.option("--texts", type=Path, help="Text, one folder per set: hypotheses or transcripts.")
@click.option("--out", required=True, type=Path, help="Output, one folder per set.")
@click.option("--batch_seconds", default=60.0, show_default=True, help="Padded audio per batch.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@worker_options()
@one_line_errors
def main(model, dump, sets, feats, texts, out, batch_seconds, device, nj, dask):
    """Align and transcribe the utterances, or classify their sentiment, depending on the model.

    --texts is the input of a text model (default: the transcripts in --dump). In a WaBERT that was
    trained with transcripts, BERT's states of it replace the aligner's tokens.
    """
    from espnet_wabert.formats.lines import write_atomically
    from espnet_wabert.inference.api import WaBERTInference
    from espnet_wabert.models.provenance import of_model
    from espnet_wabert.workers.choice import open_workers
    from espnet_wabert.workers.workers import made_once

    make = partial(made_once, WaBERTInference.from_pretrained, model, device)
    if texts and make().args.model == "wabert":
        raise UserError("--texts: a 'wabert' model is aligned with the transcripts in --dump")
    made_by = json.dumps(of_model(make().args, device), indent=1)
    with open_workers(nj, dask) as workers:
        for name in sets.split():
            text = texts and texts / name / "text"
            files = decode(make, dump / name, feats and Path(feats) / name, text, out / name,
                           batch_seconds, workers)  # fmt: skip
            if files:
                write_atomically(out / name / PROVENANCE, made_by)
                print(f"{out / name}: {', '.join(files)}")


def decode(make, data, feats, text, out, batch_seconds, workers):
    """Decode one set with what the model can do; return the names of the files."""
    from espnet_wabert.inference import decoding
    from espnet_wabert.training.feature_cache import check_features

    model = make()
    if model.reads_text:
        text = text or data / "text"
        if text.is_file():
            return decoding.decode_text_sentiment(make, text, out)
        (out / "sentiment").unlink(missing_ok=True)  # of a run that had transcripts
        print(f"{out}: not decoded: {text.parent} has no transcripts")
        return []
    source = decoding.SpeechSource(data, feats)
    if feats:
        check_features(feats, model.model.frontend)
    if model.args.model == "wabert":
        return decoding.decode_alignment(make, source, out, batch_seconds, workers)
    return decoding.decode_sentiment(make, source, out, batch_seconds, text, workers)


if __name__ == "__main__":
    main()
