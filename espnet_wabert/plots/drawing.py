"""Draw the figures as PNG files, without a display and legible at a README's width.

Colors are those of Okabe and Ito, which color-blind readers can distinguish, and color maps of even
lightness.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox, TransformedBbox
from PIL import Image

from espnet_wabert.constants import SAMPLE_RATE
from espnet_wabert.formats.word import Word
from espnet_wabert.plots.figures import KINDS, Firing, diagonal_accuracy

DPI = 150
WIDTH = 8.0  # inches
BLACK, BLUE, VERMILION, GREEN = "#000000", "#0072B2", "#D55E00", "#009E73"
CLOUDS = dict(zip(KINDS, ("#999999", VERMILION, BLUE), strict=True))
LANES = {"reference": GREEN, "grapheme": BLUE, "similarity": "#8A5C00", "cif": VERMILION}
OTHER_LANES = ("#A0457C", BLACK)


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure of `width` x `height` inches."""
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: str | Path, colors: int | None = None) -> None:
    """Write a PNG; a palette of `colors` makes it a third of the size."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(png(figure, colors))


def png(figure: Figure, colors: int | None = None) -> bytes:
    """Return the content of the file that `save` writes."""
    content = io.BytesIO()
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)  # no window and no pyplot: stages run without a display
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    if colors:
        image = image.quantize(colors, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    image.save(content, format="png")
    return content.getvalue()


def draw_similarity(path: str | Path, matrices: Mapping[str, np.ndarray], tokens: Sequence[str]):
    """Draw a heat map (N, N) per loss: rows are aligned vectors, columns BERT's (Figure 2).

    A dot marks the largest value of each row; in a good model the dots are on the diagonal.
    """
    one = len(matrices) == 1
    labels = 0.055 * max(map(len, tokens))  # inches of the longest one, below the panels
    figure = new_figure(WIDTH * (0.65 if one else 0.45) + labels)
    panels = figure.subplots(1, len(matrices), sharey=True, squeeze=False)[0]
    places = np.arange(len(tokens))
    for axes, (name, matrix) in zip(panels, matrices.items(), strict=True):
        image = axes.imshow(matrix, cmap="cividis", vmin=min(0.0, matrix.min()), vmax=matrix.max())
        axes.plot(matrix.argmax(axis=1), places, "o", color="white", mec=BLACK, ms=5, mew=0.8)
        axes.set_title(f"{name}: {diagonal_accuracy(matrix):.0%} nearest to their own", fontsize=11)
        axes.set_xticks(places, tokens, rotation=90)
        axes.set_yticks(places, tokens)
        axes.tick_params(labelsize=9, length=2)
        axes.set_xlabel("linguistic vector (BERT)")
        bar = figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02, aspect=25)
        bar.ax.tick_params(labelsize=8)
    bar.set_label("similarity (cosine)", fontsize=9)
    panels[0].set_ylabel("aligned acoustic vector")
    save(figure, path)


def draw_components(
    path: str | Path, models: Mapping[str, Mapping[str, np.ndarray]], shares: np.ndarray
) -> None:
    """Draw the three kinds of vectors of each loss as points (M, 2) on common axes (Figure 4)."""
    figure = new_figure(WIDTH * (0.7 if len(models) == 1 else 0.56))
    panels = figure.subplots(1, len(models), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, clouds) in zip(panels, models.items(), strict=True):
        for kind, marker in zip(KINDS, "s^o", strict=True):
            axes.scatter(
                *clouds[kind].T, s=9, marker=marker, c=CLOUDS[kind], alpha=0.55, linewidths=0,
                label=kind,
            )  # fmt: skip
        axes.set_title(name, fontsize=11)
        axes.set_xlabel(f"component 1 ({shares[0]:.0%} of the variance)")
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25)
    panels[0].set_ylabel(f"component 2 ({shares[1]:.0%})")
    handles, _ = panels[0].get_legend_handles_labels()
    labels = ["acoustic (frames before training)", "aligned (tokens)", "linguistic (BERT)"]
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=3, markerscale=2)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_alpha(1.0)
    save(figure, path, colors=128)


def draw_alignment(
    path: str | Path, audio: np.ndarray, firing: Firing, lanes: Mapping[str, Sequence[Word]]
) -> None:
    """Draw what `alignment_figure` returns as a PNG."""
    save(alignment_figure(audio, firing, lanes, new_figure(6.4)), path, colors=64)


def alignment_figure(
    audio: np.ndarray, firing: Firing, lanes: Mapping[str, Sequence[Word]], figure: Figure
) -> Figure:
    """Draw one utterance over time: waveform, spectrogram, words per method, CIF's weights.

    Args:
        audio: (S,) at 16 kHz.
        firing: CIF's weights of the utterance.
        lanes: words with times in seconds, the first lane the reference if there is one; its
            boundaries run through all panels.
        figure: an empty one, which is filled and returned.
    """
    heights = [0.8, 1.5, 0.42 * len(lanes), 1.1]
    wave, spectrum, words, weights = figure.subplots(4, 1, sharex=True, height_ratios=heights)
    times = np.arange(len(audio)) / SAMPLE_RATE
    wave.plot(times, audio, color=BLACK, linewidth=0.4)
    wave.set(yticks=[], ylabel="wave")
    _draw_spectrogram(spectrum, audio)
    spectrum.set(ylabel="kHz", yticks=[0, 4000, 8000], yticklabels=["0", "4", "8"], ylim=(0, 8000))
    _draw_lanes(words, lanes)
    weights.stairs(firing.weights, firing.edges, fill=True, color=BLUE, alpha=0.35)
    weights.stairs(firing.weights, firing.edges, color=BLUE, linewidth=1.0)
    inside = weights.get_xaxis_transform()
    weights.vlines(
        firing.fires, 0, 1, transform=inside, color=VERMILION, linestyles="dotted",
        label="CIF: a token ends",
    )  # fmt: skip
    weights.set(ylabel="CIF weight", xlabel="seconds", ylim=(0, None), xlim=(0, times[-1]))
    first, words_of_first = next(iter(lanes.items()))
    color = LANES.get(first) or OTHER_LANES[0]
    edges = sorted({edge for word in words_of_first for edge in word[1:]})
    for axes in (wave, spectrum, weights):
        across = axes.get_xaxis_transform()
        axes.vlines(edges, 0, 1, transform=across, color=color, linewidth=1, label=first)
    handles, labels = weights.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", fontsize=9, ncols=2)
    return figure


def _draw_spectrogram(axes: Axes, audio: np.ndarray) -> None:
    """Draw 0 to 8 kHz in 32 ms windows, from the loudest to 50 dB below it."""
    noise = 1e-6 * np.random.default_rng(0).normal(size=len(audio))  # digital silence has no log
    spectrum, _, _, image = axes.specgram(audio + noise, NFFT=512, Fs=SAMPLE_RATE, noverlap=384)
    loudest = 10 * np.log10(spectrum.max())
    image.set(cmap="Greys", clim=(loudest - 50, loudest))


def _draw_lanes(axes: Axes, lanes: Mapping[str, Sequence[Word]]) -> None:
    """Draw each aligner's words as boxes with the word inside; one artist for a lane's boxes."""
    others = cycle(OTHER_LANES)
    for place, (name, words) in enumerate(lanes.items()):
        color = LANES.get(name) or next(others)
        boxes = [(start, end - start) for _, start, end in words]
        axes.broken_barh(boxes, (place + 0.08, 0.84), facecolor=color, alpha=0.15)
        edges = [edge for _, *times in words for edge in times]
        axes.vlines(edges, place + 0.08, place + 0.92, color=color, linewidth=1.5)
        for word, start, end in words:
            inside = axes.text(
                (start + end) / 2, place + 0.5, word, ha="center", va="center", fontsize=8.5,
                color=color, clip_on=True, parse_math=False,
            )  # fmt: skip
            # A short word does not run into the next one.
            box = Bbox.from_extents(start, place, end, place + 1)
            inside.set_clip_box(TransformedBbox(box, axes.transData))
    axes.set(ylim=(len(lanes), 0))
    axes.set_yticks(np.arange(len(lanes)) + 0.5, list(lanes), fontsize=9)
    axes.tick_params(axis="y", length=0)
