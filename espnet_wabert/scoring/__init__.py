"""Scores and their tables: word boundaries, tokens, word errors, sentiment.

Each measure is a function over plain data (`boundaries`, `tokens`, `sentiment`) with its confidence
intervals (`intervals`); `results` merges them into a results.json, `report` and `table` print it.
"""
