"""Draw a confusion matrix."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from espnet_wabert.constants import LABELS

WIDEST = 24.0  # inches
MOST = 30  # classes whose numbers are written


def draw_confusion(
    path: str | Path, confusion: np.ndarray, classes: Sequence[str] = LABELS, title: str = ""
) -> None:
    """Draw a confusion matrix (C, C), rows: reference, as a PNG.

    Colors show fractions of the reference class, because Neutral is much more frequent; numbers
    count utterances. A picture of more than `MOST` classes has colors only.
    """
    from sklearn.metrics import ConfusionMatrixDisplay

    from espnet_wabert.plots.drawing import new_figure, save

    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    side = min(max(4.0, 1.0 + 0.75 * len(classes)), WIDEST)  # inches
    longest = max(map(len, classes))
    fit = len(classes) < 5 and longest < 12  # names beside each other
    room = 0.0 if fit else 0.08 * longest  # inches
    figure = new_figure(side + room, side + room + 0.6)
    axes = figure.add_subplot()
    names = [name.replace("$", r"\$") for name in classes]  # no formulas
    display = ConfusionMatrixDisplay(shares, display_labels=names)
    numbers = len(classes) <= MOST
    display.plot(ax=axes, cmap="Blues", im_kw={"vmin": 0, "vmax": 1}, include_values=numbers)
    for row, column in np.ndindex(*confusion.shape) if numbers else ():
        label = f"{confusion[row, column]}\n{shares[row, column]:.0%}"
        dark = shares[row, column] > 0.5
        display.text_[row, column].set(text=label, color="white" if dark else "black")
    axes.set(xlabel="hypothesis", ylabel="reference", title=title)
    axes.tick_params(axis="y", labelrotation=90 if fit else 0)
    axes.tick_params(axis="x", labelrotation=0 if fit else 90)
    for tick in axes.get_yticklabels():
        tick.set_verticalalignment("center")
    save(figure, path)
