"""File formats: Kaldi data folders, CTM, TextGrid, labels, audio. All readers check what they read.

A wrong file raises `UserError` with one line that names the file, the line and the rule. This part
knows files and nothing about models, corpora or scores.
"""
