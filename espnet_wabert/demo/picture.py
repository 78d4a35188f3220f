"""The picture of an analysis: waveform, spectrogram, words and CIF's weights over time."""

import base64
from html import escape

from espnet_wabert.demo.analysis import Analysis
from espnet_wabert.plots.drawing import alignment_figure, new_figure, png

PER_SECOND, NARROWEST, WIDEST = 1.8, 10.5, 60.0  # inches
HEIGHT, LANE = 3.6, 0.42  # inches, of the panels and of each method's words
PIXELS = 90  # on the page, per inch; a wide picture scrolls


def picture(seen: Analysis) -> str:
    """Return an image element; a picture that is wider than the page scrolls inside its box."""
    duration = seen.chosen.duration
    width = min(max(PER_SECOND * duration, NARROWEST), WIDEST)
    figure = new_figure(HEIGHT + LANE * len(seen.by_method), width)
    lanes = {name: found.words for name, found in seen.by_method.items()}
    content = png(alignment_figure(seen.audio, seen.firing, lanes, figure), colors=64)
    words = escape(" ".join(word.word for word in seen.chosen.words), quote=True)
    source = base64.b64encode(content).decode()
    return (
        '<div class="scroll picture" tabindex="0" aria-label="Alignment over time">'
        f'<img style="width:max(100%,{round(PIXELS * width)}px)" alt="{words}"'
        f' src="data:image/png;base64,{source}"></div>'
    )
