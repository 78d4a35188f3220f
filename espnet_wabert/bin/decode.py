"""Decode a data folder with a trained model (stage 12)."""

import json
from pathlib import Path

import click

from espnet_wabert.constants import PROVENANCE
from espnet_wabert.errors import UserError, one_line_errors

Folder = click.Path(path_type=Path)


@click.command()
@click.option("--model", required=True, help="The .pth (config.yaml beside it), or a packed .zip.")
@click.option("--dump", required=True, type=Folder, help="dump/raw, one data folder per set.")
@click.option("--sets", required=True, help="The sets to decode, such as 'dev test'.")
@click.option("--feats", help="Cached features of the same frontend, one folder per set.")
@click.option("--texts", type=Folder, help="Text, one folder per set: hypotheses or transcripts.")
@click.option("--out", required=True, type=Folder, help="Output, one folder per set.")
@click.option("--batch_seconds", default=60.0, show_default=True, help="Padded audio per batch.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@one_line_errors
def main(model, dump, sets, feats, texts, out, batch_seconds, device):
    """Align and transcribe the utterances, or classify their sentiment, depending on the model.

    --texts is the input of a text model (default: the transcripts in --dump). In a WaBERT that was
    trained with transcripts, BERT's states of it replace the aligner's tokens.
    """
    from espnet_wabert.formats.lines import write_atomically
    from espnet_wabert.inference import decoding
    from espnet_wabert.inference.api import WaBERTInference
    from espnet_wabert.models.provenance import of_model

    inference = WaBERTInference.from_pretrained(model, device)
    aligned = inference.args.model == "wabert"
    if texts and aligned:
        raise UserError("--texts: a 'wabert' model is aligned with the transcripts in --dump")
    made_by = json.dumps(of_model(inference.args, device), indent=1)
    for name in sets.split():
        if inference.reads_text:
            text = (texts or dump) / name / "text"
            if not text.is_file():
                print(f"{out / name}: not decoded: {text.parent} has no transcripts")
                continue
            files = decoding.decode_text_sentiment(inference, text, out / name)
        else:
            source = decoding.SpeechSource(dump / name, feats and Path(feats) / name)
            if aligned:
                files = decoding.decode_alignment(inference, source, out / name, batch_seconds)
            else:
                files = decoding.decode_sentiment(
                    inference, source, out / name, batch_seconds, texts and texts / name / "text"
                )
        write_atomically(out / name / PROVENANCE, made_by)
        print(f"{out / name}: {', '.join(files)}")


if __name__ == "__main__":
    main()
