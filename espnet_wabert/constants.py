"""Constants that several rooms share."""

SAMPLE_RATE = 16000  # Hz: of all audio that models, recognizers and formatted data have
LABELS = ("Negative", "Neutral", "Positive")  # of SLUE-VoxCeleb, in the order of scores
