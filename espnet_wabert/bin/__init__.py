"""One thin command per stage or task: options, one call, output.

Each runs as `python -m espnet_wabert.bin.NAME` and explains itself with `--help`. The command
`wabert` is in `cli`.
"""
