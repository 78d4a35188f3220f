"""Real corpora to Kaldi data folders: stages 1 to 4 of the recipes.

One module per corpus (`librispeech`, `slue_voxceleb`, `timit`) lists its utterances from the
official layout; `assemble` writes the data folder, `formatting` the 16 kHz audio, `download` and
`unpack` fetch archives. Unusable utterances are listed by `rejects`, never dropped silently.
"""
