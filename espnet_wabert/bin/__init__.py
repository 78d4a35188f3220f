"""One thin command per stage or task: options, one call, output.

Each runs as `python -m espnet_wabert.bin.NAME` and explains itself with `--help`. `wabert` is
installed as a command of its own.
"""
