"""Training with ESPnet: the task, the preprocessor and the cache of frozen features.

`task.WaBERTTask` is the task that ESPnet's trainer and `espnet_model_zoo` use (its dotted path is
public). `preprocessor` turns text and labels into ids and augments speech; `feature_cache` computes
the features of a wholly frozen frontend once; `shapes` writes the lengths that batches are made of.
`launching` starts the processes of a training; `experiment`, `made_of` and `saving` keep its folder
consistent. The other modules change a step: rates, clipping, freezing, divergence.
"""
