"""Draw a reliability diagram: how often is a word of this confidence right?"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_wabert.plots.drawing import BLACK, BLUE, GREEN, VERMILION, new_figure, save

COLORS = (BLUE, VERMILION, GREEN)
MARKERS = "os^"


def draw_reliability(
    path: str | Path, conditions: Mapping[str, Sequence[tuple[float, float, int]]]
) -> None:
    """Draw a line per condition, and how many words have each confidence, as a PNG.

    Args:
        path: of the PNG.
        conditions: name to bins of (mean confidence, share of right words, number of words).
    """
    figure = new_figure(4.6)
    share, count = figure.subplots(1, 2)
    share.plot([0, 1], [0, 1], color=BLACK, linestyle="dotted", label="as it should be")
    for place, (name, bins) in enumerate(conditions.items()):
        style = {"color": COLORS[place % 3], "marker": MARKERS[place % 3], "ms": 5}
        confidences, right, words = zip(*bins, strict=True)
        share.plot(confidences, right, label=name, **style)
        count.plot(confidences, words, **style)
    share.set(xlabel="confidence of a word", ylabel="share of right words", ylim=(0, 1))
    count.set(xlabel="confidence of a word", ylabel="words", yscale="log")
    for axes in (share, count):
        axes.set_xlim(0, 1)
        axes.grid(alpha=0.25)
    figure.legend(*share.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    save(figure, path, colors=64)
