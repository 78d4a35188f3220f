"""The embedded corpus and its models, from installable packages (`make mini`).

hibari-tts (`hibari`, natural voices), espeak-ng (`espeak`) and, for the model in the box, Flite
(`flite`) speak sentences with human sentiment ratings, `conditions` records them in rooms, noise
and telephones, and the result has the official layouts of LibriSpeech, SLUE-VoxCeleb and TIMIT.
Whisper tiny.en and MiniLM replace data2vec and BERT. `corpus.make_corpus` makes all of it;
`real_speech` has the few recordings of people that packages ship, for development and evaluation.
"""
