"""`wabert`: the group of its commands."""

from importlib import import_module

import click

COMMANDS = {
    "align": "When is each word of a transcript said?",
    "transcribe": "What is said?",
    "sentiment": "The label of recordings, and the probability of each.",
    "finetune": "Train a classifier on your own labels.",
    "encode": "The tokens that BERT's upper layers read, as arrays.",
    "convert": "Word times in other formats.",
    "export": "A model as ONNX graphs, for onnxruntime.",
    "info": "What a model is and what it can do.",
    "demo": "A page in the browser: align, transcribe, sentiment.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(f"espnet_wabert.cli.{cmd_name}"), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup)
@click.version_option(package_name="espnet_wabert")
def main():
    """Use a trained WaBERT model."""


if __name__ == "__main__":
    main()
