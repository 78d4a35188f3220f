"""Transcribe data folders with a recognizer, for the pipelines (stage 12)."""

from functools import partial
from pathlib import Path

import click
from filelock import FileLock

from espnet_wabert.bin.options import worker_options
from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--recognizer", required=True, help="CTC model or Whisper (name, folder), or: box.")
@click.option("--ngram", help="An ARPA file, for CTC decoding with a language model.")
@click.option("--dump", required=True, type=Path, help="dump/raw, one data folder per set.")
@click.option("--sets", required=True, help="The sets, such as 'dev test'.")
@click.option("--out", required=True, type=Path, help="Kaldi text, one folder per set.")
@click.option("--batch_seconds", default=60.0, show_default=True, help="Padded audio per batch.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@worker_options()
@one_line_errors
def main(recognizer, ngram, dump, sets, out, batch_seconds, device, nj, dask):
    """Write the hypotheses; show the word error rate if there are transcripts."""
    from espnet_wabert.formats.lines import read_table
    from espnet_wabert.inference.decoding import SpeechSource, transcribe
    from espnet_wabert.inference.recognizer import load_recognizer
    from espnet_wabert.recipes import stage_record
    from espnet_wabert.scoring.tokens import word_error_rate
    from espnet_wabert.workers.choice import open_workers
    from espnet_wabert.workers.workers import made_once

    make = partial(made_once, load_recognizer, recognizer, ngram, device)
    options = {"recognizer": recognizer, "ngram": ngram or ""}
    with open_workers(nj, dask) as workers:
        for name in sets.split():
            text, path = out / name / "text", out / name / "recognizer.json"
            source = SpeechSource(dump / name, None)
            read = [str(dump / name), recognizer, *([ngram] if ngram else [])]
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(".lock")):  # rows and seeds may be decoded side by side
                record = stage_record.describe(options, read, [str(text)])
                reason = stage_record.reason_to_run(path, record)
                if reason is None:
                    print(f"{text}: there already")
                else:
                    if reason:
                        print(f"{text}: computed again: {reason}")
                    stage_record.begin(path, record)
                    transcribe(make, source, text, batch_seconds, workers)
                    stage_record.end(path)
            if source.folder.text is not None:
                rate = word_error_rate(source.folder.text, read_table(text))
                print(f"{text}: word error rate {100 * rate:.1f} %")


if __name__ == "__main__":
    main()
