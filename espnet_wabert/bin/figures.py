"""Draw the paper's Figures 2 and 4 and one alignment from a trained model (stage 16)."""

from collections.abc import Sequence
from pathlib import Path

import click

from espnet_wabert.errors import UserError, one_line_errors

TITLES = {"infonce": "InfoNCE", "cosine": "cosine", "cosine_sum": "cosine, summed"}


@click.command()
@click.option("--model", required=True, help="An aligned model: the .pth (config.yaml beside it).")
@click.option("--baseline", help="A model with another loss, for comparison.")
@click.option("--data", required=True, type=Path, help="A formatted data folder with its text.")
@click.option("--feats", help="Its cached features.")
@click.option("--utterance", help="Utterance to draw; default: a representative one.")
@click.option(
    "--most", default=200, show_default=True, help="Number of utterances for the components."
)
@click.option("--out", required=True, type=Path, help="Folder of the figures.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@one_line_errors
def main(model, baseline, data, feats, utterance, most, out, device):
    """Write similarity.png, components.png with distances.md, and alignment.png."""
    from espnet_wabert.formats.audio import read_audio
    from espnet_wabert.inference.api import WaBERTInference
    from espnet_wabert.inference.decoding import SpeechSource
    from espnet_wabert.plots import drawing
    from espnet_wabert.plots.figures import (
        project,
        representative,
        similarity,
        untrained_model,
    )
    from espnet_wabert.training.feature_cache import check_features

    source = SpeechSource(data, feats)
    folder = source.folder
    if folder.text is None:
        raise UserError(f"{data}/text: missing; figures need transcripts")
    if utterance and utterance not in folder.wav:
        raise UserError(f"{data}/wav.scp: no utterance {utterance}")
    some = sorted(folder.wav)[:most]
    inferences = [WaBERTInference.from_pretrained(m, device) for m in (model, baseline) if m]
    names = _names(inferences)
    for inference in inferences if feats else ():
        check_features(Path(feats), inference.model.frontend)
    before = [untrained_model(inference) for inference in inferences]
    seen = {
        name: {
            u: project(inference, source[u], folder.text[u], untrained)
            for u in {*some, utterance} - {None}
        }
        for name, inference, untrained in zip(names, inferences, before, strict=True)
    }
    of_model = seen[names[0]]
    utterance = utterance or representative({u: of_model[u] for u in some})
    drawing.draw_similarity(
        out / "similarity.png",
        {
            name: similarity(s[utterance].aligned, s[utterance].linguistic)
            for name, s in seen.items()
        },
        of_model[utterance].tokens,
    )
    if None in before:
        print("a packed model has no encoder from before its training: no components.png")
    else:
        _draw_components(out, {name: [s[u] for u in some] for name, s in seen.items()})
    aligned = inferences[0].align([source[utterance]], [folder.text[utterance]])[0]
    lanes: dict[str, Sequence] = {
        name: words for name, words in aligned.words_by_method.items() if name != "cif"
    }
    lanes["cif"] = aligned.words_by_method["cif"]  # last, beside its weights
    if folder.words and utterance in folder.words:
        lanes = {"reference": folder.words[utterance]} | lanes
    audio = read_audio(folder.wav[utterance], utterance)
    drawing.draw_alignment(out / "alignment.png", audio, of_model[utterance].firing, lanes)
    print(f"{out}: similarity.png and alignment.png of utterance {utterance}")


def _draw_components(out: Path, seen: dict) -> None:
    """Draw Figure 4, and write the distances between its clouds."""
    from espnet_wabert.plots.drawing import draw_components
    from espnet_wabert.plots.figures import clouds_of, distances, principal_components
    from espnet_wabert.scoring.table import Table, print_tables, write_markdown

    clouds = clouds_of(seen)
    draw_components(out / "components.png", *principal_components(clouds))
    rows = tuple((*names, f"{c:.2f}", f"{e:.3f}") for *names, c, e in distances(clouds))
    note = "centroids: over BERT's mean distance from its own; energy: coefficient, 0 to 1"
    heads = ("loss", "vectors", "centroids", "energy")
    table = Table("Distances", heads, rows, names=2, note=note)
    print_tables([table])
    write_markdown(out / "distances.md", [table])
    print(f"{out}: components.png and distances.md")


def _names(inferences: list) -> list[str]:
    """Return the names of the models: their losses, which must differ."""
    losses = [getattr(i.model, "align_name", "") for i in inferences]
    if "" in losses:
        raise UserError("figures are drawn of aligned models, not of a sentiment model")
    if len(set(losses)) < len(losses):
        raise UserError(f"--model and --baseline were both trained with the loss {losses[0]}")
    return [TITLES.get(loss, loss) for loss in losses]


if __name__ == "__main__":
    main()
