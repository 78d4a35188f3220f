"""Decode recordings of people from packages (AN4, LibriVox, cards) with an aligned model."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors

Folder = click.Path(path_type=Path)


@click.command()
@click.option("--model", required=True, help="An aligned model: .pth or packed .zip.")
@click.option("--out", required=True, type=Folder, help="Folder for the recordings and the words.")
@click.option("--results", type=Folder, help="Merge the scores into this results.json.")
@click.option("--recognizer", help="Read with this one too, such as Whisper; a folder or name.")
@one_line_errors
def main(model, out, results, recognizer):
    """Decode and align 7 AN4, 5 LibriVox and 5 cards utterances; score those with word times.

    The reference times are pocketsphinx's own. pocketsphinx is scored too: with errors near 0 it
    shows that the times are read correctly.
    """
    from espnet_wabert.alignment.pocketsphinx_aligner import align_folder
    from espnet_wabert.constants import SAMPLE_RATE
    from espnet_wabert.corpora.formatting import format_folder
    from espnet_wabert.formats.kaldi import read_folder
    from espnet_wabert.formats.lines import read_table
    from espnet_wabert.formats.words import write_ctm
    from espnet_wabert.inference.api import WaBERTInference
    from espnet_wabert.inference.decoding import SpeechSource, decode_alignment, transcribe
    from espnet_wabert.inference.recognizer import load_recognizer
    from espnet_wabert.mini.real_speech import an4, cards, librivox, write_recordings
    from espnet_wabert.scoring.decoded_sets import score_decoded_set
    from espnet_wabert.scoring.results import update_results
    from espnet_wabert.scoring.tokens import word_error_rate

    inference = WaBERTInference.from_pretrained(model)
    beside = load_recognizer(recognizer) if recognizer else None
    for name, recordings in (("an4", an4()), ("librivox", librivox()), ("cards", cards())):
        write_recordings(recordings, out / "data" / name)
        format_folder(read_folder(out / "data" / name), out / "raw" / name, SAMPLE_RATE)
        source = SpeechSource(out / "raw" / name, None)
        folder = source.folder
        decode_alignment(inference, source, out / name, 60.0)
        if folder.words:
            write_ctm(out / name / "words.pocketsphinx.ctm", align_folder(folder).words)
        scores = score_decoded_set(out / "raw" / name, out / name)
        if beside is not None:
            transcribe(beside, source, out / name / "hypothesis.recognizer", 60.0)
            hypotheses = read_table(out / name / "hypothesis.recognizer")
            scores["wer_recognizer"] = word_error_rate(folder.text or {}, hypotheses)
        boundaries = scores.pop("boundaries")
        scores |= boundaries
        errors = [f"{method} {row['mean_ms']:.0f} ms" for method, row in boundaries.items()]
        shown = f"; mean boundary error: {', '.join(errors)}" if errors else ""
        wer = f", WER {scores['wer']:.2f}"
        if beside is not None:
            wer += f" (the recognizer's: {scores['wer_recognizer']:.2f})"
        print(f"{name}: {scores['utterances']} utterances decoded and aligned{wer}{shown}")
        if results:
            update_results(results, {f"real_speech.{name}": scores})


if __name__ == "__main__":
    main()
