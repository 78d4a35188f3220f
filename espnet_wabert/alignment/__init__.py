"""Word and token times: speech aligned with its transcript by a trained WaBERT.

`Aligner` encodes a batch once and runs every method of `methods.METHODS` that the model has the
parts for: `grapheme`, `similarity`, `cif`. Long audio and long transcripts are encoded in chunks.
pocketsphinx is here as a baseline of another kind. Reading recordings and writing files is in
`inference` and `formats`.
"""
