"""The models that ESPnet trains, how they are built from a yaml, and their checkpoints.

`wabert.WaBERT` is the paper's figure 1, `sentiment.WaBERTSentiment` classifies speech,
`text_sentiment.TextSentiment` classifies text. `builder.build_model` makes one of them from a
configuration; `checkpoint` loads, starts from, and packs trained models.
"""
