"""The parts of the models: torch modules, losses and what they compute with.

`frontend` (speech encoders of Hugging Face), `cif_aligner` (the encoder), `postencoder` (BERT's
upper layers, the teacher, the subword head), `losses` (equations 1 to 5), the heads
(`grapheme_head`, `sentiment_head`, `prosody_branch`, `token_decoder`), and helpers for padding,
masks and frozen parts. Modules know nothing of data and files; `models` joins them.
"""
