"""The command line `wabert`: use a trained model, without a recipe.

`main` has the group; every other module is one command of the same name. A module is imported when
its command is called, so that `wabert --help` does not wait for torch.
"""
