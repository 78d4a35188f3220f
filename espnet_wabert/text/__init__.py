"""Text: BERT's word pieces, the spoken form of transcripts, and normalization for scoring.

`wordpiece.WordPieceTokenizer` gives ids and knows which word each piece belongs to; `transcript`
turns digits and symbols into spoken words; `normalization` prepares the transcripts of corpora.
"""
