"""The embedded corpus and its models, from installable packages (`make mini`).

espeak-ng synthesizes sentences with human sentiment ratings in the official layouts of LibriSpeech,
SLUE-VoxCeleb and TIMIT; Whisper tiny.en and MiniLM replace data2vec and BERT. `corpus.make_corpus`
makes all of it; `real_speech` has the few recordings of people that packages ship.
"""
