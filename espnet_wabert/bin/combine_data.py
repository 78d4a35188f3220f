"""Combine data folders into one."""

from typing import Any

import click

from espnet_wabert.errors import UserError, one_line_errors


@click.command()
@click.option("--out", required=True, help="The data folder to write.")
@click.option("--without", default="", help="Files to leave out, such as 'sentiment words'.")
@click.argument("data", nargs=-1, required=True)
@one_line_errors
def main(out, without, data):
    """Write the utterances of all DATA folders to one."""
    from espnet_wabert.corpora.combine import OPTIONAL, combine
    from espnet_wabert.formats.kaldi import read_folder, write_folder

    unknown = set(without.split()) - set(OPTIONAL)
    if unknown:
        raise UserError(f"--without {min(unknown)}: one of {', '.join(OPTIONAL)}")
    dropped: dict[str, Any] = dict.fromkeys(without.split())
    folder = combine([(path, read_folder(path)._replace(**dropped)) for path in data])
    write_folder(folder, out)
    click.echo(f"{out}: {len(folder.utt2spk)} utterances from {len(data)} folders")


if __name__ == "__main__":
    main()
