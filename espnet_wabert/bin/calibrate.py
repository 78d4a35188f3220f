"""Check the confidence of a model that reads letters, and fit its logistic function."""

from pathlib import Path

import click

from espnet_wabert.errors import UserError, one_line_errors

CONDITIONS = ("clean", "pink noise, 10 dB", "telephone")


@click.command()
@click.option("--model", required=True, help="An aligned model with a CTC head.")
@click.option("--data", required=True, type=Path, help="Formatted folder.")
@click.option("--out", type=Path, help="Write the tables (Markdown) here.")
@click.option("--picture", type=Path, help="Draw the reliability as a PNG.")
@one_line_errors
def main(model, data, out, picture):
    """Print areas under the curve, doubts and reliability, with right and wrong transcripts."""
    from espnet_wabert.alignment.ctc_confidence import DOUBT
    from espnet_wabert.formats.audio import read_audio
    from espnet_wabert.formats.kaldi import read_folder
    from espnet_wabert.inference.api import WaBERTInference
    from espnet_wabert.mini import robustness
    from espnet_wabert.mini.calibration import CHANGES, judge
    from espnet_wabert.plots.reliability import draw_reliability
    from espnet_wabert.scoring.table import Table, print_tables, write_markdown

    inference = WaBERTInference.from_pretrained(model)
    if inference.aligner.model.ctc_head is None:
        raise UserError(f"{model}: has no CTC head (model_conf.ctc_weight), so no such confidence")
    folder = read_folder(data, need=["text"])
    text = {u: line for u, line in (folder.text or {}).items() if len(line.split()) > 1}
    speech = [read_audio(folder.wav[u], u) for u in text]
    rows, tables, bins = [], [], {}
    for name in CONDITIONS:
        found = judge(inference, speech, list(text.values()), robustness.CONDITIONS[name])
        areas = [f"{found.area(kind):.3f}" for kind in CHANGES]
        doubts = [f"{found.false_alarms(DOUBT):.3f}", f"{found.found(DOUBT):.3f}"]
        doubts += [f"{limit:.3f}" for limit in found.limits()]
        rows.append((name, *areas, f"{found.hits['exchanged']:.2f}", *doubts))
        slope, offset = found.fit()
        bins[name] = found.reliability()
        tables.append(Table(
            f"Reliability: {name}", ("confidence", "right", "words"),
            tuple((f"{p:.2f}", f"{right:.2f}", str(n)) for p, right, n in bins[name]),
            names=0, note=f"the best logistic function has slope {slope:.2f}, offset {offset:.2f}",
        ))  # fmt: skip
    note = (
        "exchanged to other: area under the curve of right and changed transcripts; worst: share of"
        f" exchanged words that are the least confident; right, other: share below {DOUBT}; 2 %,"
        " 98 %: confidence below which 2 % of the right and 98 % of the other ones are"
    )
    columns = ("condition", *CHANGES, "worst", "right", "others", "2 %", "98 %")
    title = f"Confidence: {data.name}, {len(text)} utterances"
    tables.insert(0, Table(title, columns, tuple(rows), note=note))
    print_tables(tables)
    if out:
        write_markdown(out, tables)
    if picture:
        draw_reliability(picture, bins)


if __name__ == "__main__":
    main()
