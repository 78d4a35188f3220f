"""Fine-tuning on one's own labels (`wabert finetune`): a csv of clips in, a packed classifier out.

`table` reads the csv, `split` divides the clips, `data` checks their audio and writes data folders.
`reading` reads clips without transcripts. `settings` has the configuration for small data and what
a folder was made with, `run` does the steps of the recipe, and `report` writes the figures.
"""
