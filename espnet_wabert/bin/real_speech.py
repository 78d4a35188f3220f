"""Decode recordings of people from packages with an aligned model."""

from collections.abc import Callable
from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--model", required=True, help="An aligned model: box, .pth or packed .zip.")
@click.option("--out", required=True, type=Path, help="Folder for the recordings and the words.")
@click.option("--results", type=Path, help="Merge the scores into this results.json.")
@click.option("--whisper", help="Read with this Whisper too, beside pocketsphinx; a folder.")
@click.option("--table", type=Path, help="Write the table (Markdown) here.")
@one_line_errors
def main(model, out, results, whisper, table):
    """Decode and align LibriVox, AN4, cards and sentences (24 utterances); score them in a table.

    LibriVox has pocketsphinx's times as a reference, and the sentences those of their packages.
    With what `bin.fetch_sources --more_speech` fetches, spontaneous speech and prompts too.
    """
    from espnet_wabert.corpora.formatting import format_folder
    from espnet_wabert.formats.kaldi import read_folder
    from espnet_wabert.inference.api import WaBERTInference
    from espnet_wabert.inference.decoding import SpeechSource, decode_alignment
    from espnet_wabert.inference.joint_reading import JointReader
    from espnet_wabert.inference.pocketsphinx_recognizer import PocketsphinxRecognizer
    from espnet_wabert.inference.recognizer import load_network
    from espnet_wabert.mini.more_speech import more_recordings
    from espnet_wabert.mini.real_speech import RECORDINGS, write_recordings
    from espnet_wabert.models.provenance import commit, of_model
    from espnet_wabert.scoring.decoded_sets import score_decoded_set
    from espnet_wabert.scoring.provenance import KEY
    from espnet_wabert.scoring.results import update_results
    from espnet_wabert.scoring.table import Table, print_tables, write_markdown

    inference = WaBERTInference.from_pretrained(model)
    recognizers: dict[str, Callable] = {"pocketsphinx": PocketsphinxRecognizer()}
    if whisper:
        recognizers["Whisper"] = network = load_network(whisper)
        recognizers["Whisper and the model"] = JointReader(inference.reader, network)
    methods = tuple(inference.aligner.methods)
    boundaries, reading = [], []
    for name, recordings in (RECORDINGS | more_recordings()).items():
        write_recordings(recordings(), out / "data" / name)
        format_folder(read_folder(out / "data" / name), out / "raw" / name)
        source = SpeechSource(out / "raw" / name, None)
        decode_alignment(lambda: inference, source, out / name, 60.0)
        scores = score_decoded_set(out / "raw" / name, out / name)
        scores |= scores.pop("boundaries")
        of_methods = [_times(scores[method]) for method in methods if method in scores]
        if of_methods:
            boundaries.append((name, *of_methods))
        cells, rates = _reading(inference, source, scores["wer"], recognizers)
        reading.append((name, *cells))
        scores |= rates
        if results:
            made_by = of_model(inference.args) | {"scored": commit()}
            update_results(
                results, {f"real_speech.{name}": scores, (KEY, "real_speech", name): made_by}
            )
    first = Table(
        "Word boundaries of people", ("recordings", *methods), tuple(boundaries),
        note="mean / median / share within 50 ms, from the recordings' word times",
    )  # fmt: skip
    columns = ("recordings", "utterances", "words", "model", *recognizers)
    second = Table(
        "Reading people without a transcript", (*columns, "right", "others"), tuple(reading),
        note="word error rates; share of right transcripts and those of others that are doubted",
    )  # fmt: skip
    print_tables([first, second])
    if table:
        write_markdown(table, [first, second])


def _times(row: dict) -> str:
    return f"{row['mean_ms']:.1f} / {row['median_ms']:.1f} / {row['within_50ms']:.2f}"


def _reading(inference, source, wer: float, recognizers) -> tuple[list[str], dict[str, float]]:
    """Return the cells of one set, its size, word error rates and doubts; and the rates by name."""
    from espnet_wabert.formats.audio import read_audio
    from espnet_wabert.mini.robustness import Spoken, measure
    from espnet_wabert.scoring.tokens import word_error_rate

    folder = source.folder
    texts = folder.text or {}
    speech = [read_audio(folder.wav[u], u) for u in texts]
    spoken = [Spoken(audio, text, None) for audio, text in zip(speech, texts.values(), strict=True)]
    doubts = measure(inference, spoken, "clean")
    read = {
        name: dict(zip(texts, recognizer(speech), strict=True))
        for name, recognizer in recognizers.items()
    }
    rates = {
        f"wer_{name.lower().replace(' ', '_')}": word_error_rate(texts, heard)
        for name, heard in read.items()
    }
    cells = [
        str(len(texts)),
        str(sum(len(text.split()) for text in texts.values())),
        f"{wer:.2f}",
        *(f"{rate:.2f}" for rate in rates.values()),
        f"{doubts.doubted_right:.2f}",
        f"{doubts.found_wrong:.2f}",
    ]
    return cells, rates


if __name__ == "__main__":
    main()
