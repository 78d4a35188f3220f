"""How a model aligns, reads and doubts recordings in noise, rooms and on the telephone."""

from pathlib import Path

import click

from espnet_wabert.errors import one_line_errors


@click.command()
@click.option("--model", required=True, help="An aligned model: box, .pth or packed .zip.")
@click.option("--data", required=True, type=Path, help="Formatted folder.")
@click.option("--most", default=100, show_default=True, help="Utterances, from the beginning.")
@click.option("--out", type=Path, help="Write the table (Markdown) here.")
@one_line_errors
def main(model, data, most, out):
    """Print boundary errors of the best method, WER and doubts by condition, and non-speech.

    WER is that of the letters, and of a recognizer that they check if the model has one.
    """
    from tqdm import tqdm

    from espnet_wabert.formats.audio import read_audio
    from espnet_wabert.formats.kaldi import read_folder
    from espnet_wabert.inference.pipeline import WaBERT
    from espnet_wabert.mini.non_speech import KINDS, listen
    from espnet_wabert.mini.robustness import BY_WORDS, CONDITIONS, Spoken, measure
    from espnet_wabert.scoring.table import Table, print_tables, write_markdown

    used = WaBERT.from_pretrained(model)
    inference = used.inference
    folder = read_folder(data, need=["text"])
    words = folder.words or {}
    utterances = [
        Spoken(read_audio(folder.wav[u], u), (folder.text or {})[u], words.get(u))
        for u in sorted(folder.wav)[:most]
    ]
    timed = all(one.words for one in utterances)
    conditions = [*CONDITIONS, *BY_WORDS] if timed else [*CONDITIONS]
    rows = []
    for condition in tqdm(conditions, unit="conditions"):
        found = measure(inference, utterances, condition, used.read if used.recognizer else None)
        best = next(iter(found.boundaries.values()), None)
        figures = [f"{best.mean_ms:.1f}", f"{best.median_ms:.1f}"] if best else ["", ""]
        rows.append(
            (condition, *figures, f"{found.error_rate:.3f}",
             "" if found.checked_rate is None else f"{found.checked_rate:.3f}",
             f"{found.doubted_right:.3f}", f"{found.found_wrong:.3f}")
        )  # fmt: skip
    method = next(iter(inference.aligner.methods))
    recognizer = Path(used.recognizer or "a recognizer").name
    columns = (
        "condition", f"{method} mean ms", "median ms", "WER", f"with {recognizer}",
        "right doubted", "wrong found",
    )  # fmt: skip
    tables = [Table(f"{data.name}, {len(utterances)} utterances", columns, tuple(rows))]
    silent = {kind: listen(inference, [one.text for one in utterances], kind) for kind in KINDS}
    without = [
        (kind, f"{found.minutes:.1f}", str(found.words), f"{found.doubted:.3f}")
        for kind, found in silent.items()
    ]
    heading = ("recordings without speech", "minutes", "words read", "transcripts doubted")
    tables.append(Table("Without speech, with the same transcripts", heading, tuple(without)))
    print_tables(tables)
    if out:
        write_markdown(out, tables)


if __name__ == "__main__":
    main()
