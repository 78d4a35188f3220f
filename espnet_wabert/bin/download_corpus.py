"""Stage 1: download a corpus; an interrupted download resumes."""

from pathlib import Path

import click

from espnet_wabert.bin.options import all_of
from espnet_wabert.errors import one_line_errors

OWN = "there already, not checked"
_common = all_of(  # options of all corpora
    click.option("--out", required=True, type=Path, help="Folder for archives and corpus."),
    click.option("--base_url", help="A mirror: the folder of the archives."),
    click.option(
        "--remove_archives",
        type=bool,
        default=False,
        show_default=True,
        help="Remove each archive after unpacking.",
    ),
)


@click.group()
def main():
    """Download, check and unpack a corpus; completed steps are skipped."""


@main.command()
@_common
@click.option("--parts", required=True, help="Such as train-clean-100,dev-clean.")
@click.option("--md5sums", type=Path, help="A file as md5sum writes it; default: OpenSLR's.")
@one_line_errors
def librispeech(out, base_url, remove_archives, parts, md5sums):
    """LibriSpeech from OpenSLR, checked by MD5."""
    from espnet_wabert.corpora.sources import (
        LIBRISPEECH_MD5,
        LIBRISPEECH_URL,
        download_librispeech,
        read_md5sums,
        was_downloaded,
    )

    names = parts.replace(",", " ").split()
    md5 = read_md5sums(md5sums) if md5sums else LIBRISPEECH_MD5
    root = download_librispeech(names, out, base_url or LIBRISPEECH_URL, md5, remove_archives)
    for name in names:
        state = "complete, MD5 checked" if was_downloaded(out, name) else OWN
        click.echo(f"{root}: {name} {state}")


@main.command()
@_common
@click.option("--version", default="v0.2", show_default=True, type=click.Choice(["v0.2", "v0.1"]))
@one_line_errors
def slue(out, base_url, remove_archives, version):
    """SLUE-VoxCeleb; no checksum is published, only that of the archive is checked."""
    from espnet_wabert.corpora.sources import download_slue, was_downloaded

    root = download_slue(version, out, base_url, remove_archives)
    downloaded = was_downloaded(out, f"slue-voxceleb_{version}")
    state = f"{version} complete; no published checksum to compare it with" if downloaded else OWN
    click.echo(f"{root}: {state}")


@main.command()
@click.option("--name", default="3-gram.pruned.1e-7", show_default=True, help="OpenSLR 11's name.")
@click.option("--out", required=True, type=Path, help="Folder for the .arpa file.")
@click.option("--base_url", help="A mirror: the folder of the files.")
@one_line_errors
def ngram(name, out, base_url):
    """An n-gram over LibriSpeech's books from OpenSLR, for CTC decoding."""
    from espnet_wabert.corpora.sources import download_ngram

    click.echo(f"{download_ngram(name, out, base_url)}: complete; no published checksum")


if __name__ == "__main__":
    main()
