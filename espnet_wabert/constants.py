"""Constants that several sub-packages share."""

BOX = "box"  # name of the aligned model that the package ships
OWN = "own"  # the recognizer that a model names in its config.yaml, if it does
SILENT = 1e-4  # three steps of 16 bits: speech whose largest sample is smaller is silence
SAMPLE_RATE = 16000  # Hz, of the audio that models, recognizers and formatted data use
LABELS = ("Negative", "Neutral", "Positive")  # of SLUE-VoxCeleb, in the order of the scores
SPEECH_ENCODERS = ("data2vec-audio", "wav2vec2", "hubert", "wavlm", "whisper")  # model_type
PRECISIONS = ("float32", "bfloat16")  # of a speech encoder in inference
PROVENANCE = "provenance.json"  # beside what a model has decoded
