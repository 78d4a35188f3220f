"""What the recipes in `egs2/` ask about their configurations.

`systems` reads the tables of systems (Table 3) and turns a row into options of `run.sh`;
`training_args` turns a configuration and data folders into ESPnet's training arguments. Both read
yaml files only: no model is loaded here.
"""
