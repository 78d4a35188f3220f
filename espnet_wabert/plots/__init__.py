"""Figures of trained models: the paper's Figures 2 and 4, an alignment, confusion matrices.

`figures` computes what is drawn; `drawing`, `confusion` and `reliability` draw it as PNG files.
"""
