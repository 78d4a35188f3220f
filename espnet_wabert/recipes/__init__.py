"""What the recipes in `egs2/` ask before and between their stages; no model is loaded here.

`systems` turns a row of a table of systems (Table 3) into options of `run.sh`; `training_args` and
`schedule` turn a configuration and data folders into ESPnet's training arguments; `settings` has
what else follows from a configuration. `requirements` and `dry_run` check and describe a run,
`stage_record` tells whether a stage is done, and `hosts` runs a command on several machines.
"""
