"""The model in the box: what `make box` trained, and the encoders that packages ship.

`aligner/` holds the trained weights (safetensors), their configuration and an n-gram; `make box`
writes `sentiment/` beside it. README.md is the model card. `encoders` writes the frozen encoders,
Whisper tiny.en and MiniLM, as Hugging Face folders; `files` finds all of it, so that `box` is a
MODEL for every command.
"""
