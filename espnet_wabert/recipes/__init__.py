"""What the recipes in `egs2/` ask about their configurations.

`systems` reads the tables of systems (Table 3) and turns a row into options of `run.sh`;
`training_args` turns a configuration and data folders into ESPnet's training arguments. Both read
yaml files only: no model is loaded here.
"""

from espnet_wabert.recipes.systems import System, read_systems
from espnet_wabert.recipes.training_args import feature_folder, training_args

__all__ = ["System", "feature_folder", "read_systems", "training_args"]
