"""Write the vocabulary of a BERT (stage 5)."""

import click

from espnet_wabert.errors import UserError, one_line_errors


@click.command()
@click.option("--config", required=True, help="Training yaml; its postencoder_conf names BERT.")
@click.option("--language_model", help="Name or folder of BERT, over the yaml's.")
@click.option("--out", required=True, help="The file to write, one piece a line.")
@one_line_errors
def main(config, language_model, out):
    """Write BERT's word pieces in the order of their ids."""
    from espnet_wabert.config import read_yaml
    from espnet_wabert.text.wordpiece import write_vocabulary

    model = language_model or (read_yaml(config).get("postencoder_conf") or {}).get(
        "model_name_or_path"
    )
    if not model:
        raise UserError(
            f"{config}: postencoder_conf.model_name_or_path names no BERT; give --language_model"
        )
    print(f"{out}: {write_vocabulary(model, out)} word pieces")


if __name__ == "__main__":
    main()
