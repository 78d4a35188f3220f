"""Stage 1: convert a corpus in its official layout to a Kaldi data folder."""

import click

from espnet_wabert.bin.options import AUDIO_NJ, all_of, worker_options
from espnet_wabert.errors import one_line_errors

_common = all_of(  # options of all corpora
    click.option("--corpus", required=True, help="Folder of the corpus."),
    click.option("--out", required=True, help="The data folder to write."),
    click.option(
        "--skip_bad",
        type=bool,
        default=False,
        show_default=True,
        help="Leave bad utterances out (listed in OUT/bad.txt) instead of stopping.",
    ),
    worker_options(AUDIO_NJ),
)


@click.group()
def main():
    """Make a Kaldi data folder (wav.scp, text, utt2spk, ...) from a corpus.

    Bad utterances (audio or transcript missing, truncated, empty or unreadable) are an error,
    unless --skip_bad true leaves them out. Stereo and other sampling rates are
    counted here and converted by format_wav.
    """


@main.command()
@_common
@click.option("--parts", required=True, help="Such as train-clean-100,train-clean-360.")
@click.option(
    "--word_times",
    type=bool,
    default=True,
    show_default=True,
    help="Read *.alignment.txt into words.ctm where present (3 GB for 960 h).",
)
@one_line_errors
def librispeech(corpus, out, parts, word_times, skip_bad, nj, dask):
    """LibriSpeech, with word times if the chapters have *.alignment.txt files."""
    from espnet_wabert.corpora.librispeech import prepare_librispeech
    from espnet_wabert.workers.choice import open_workers

    names = parts.replace(",", " ").split()
    with open_workers(nj, dask) as workers:
        made = prepare_librispeech(corpus, names, out, word_times, skip_bad, workers)
    click.echo(made.summary)


@main.command()
@_common
@click.option("--split", required=True, type=click.Choice(["fine-tune", "dev", "test"]))
@click.option("--version", default="v0.2", show_default=True, type=click.Choice(["v0.2", "v0.1"]))
@click.option(
    "--labels", help="Table with labels: .tsv, .parquet, or a copy of the dataset on the Hub."
)
@click.option(
    "--trim",
    type=bool,
    default=True,
    show_default=True,
    help="Use start_second to end_second of each file, as the SLUE toolkit does.",
)
@one_line_errors
def slue(corpus, out, split, version, labels, trim, skip_bad, nj, dask):
    """SLUE-VoxCeleb sentiment."""
    from espnet_wabert.corpora.slue_voxceleb import prepare_slue
    from espnet_wabert.workers.choice import open_workers

    with open_workers(nj, dask) as workers:
        made = prepare_slue(corpus, split, out, version, labels, trim, skip_bad, workers)
    click.echo(made.summary)


@main.command()
@_common
@click.option("--split", required=True, type=click.Choice(["train", "test", "core"]))
@click.option("--sa", type=bool, default=False, show_default=True, help="Keep the SA sentences.")
@one_line_errors
def timit(corpus, out, split, sa, skip_bad, nj, dask):
    """TIMIT with its manual word times."""
    from espnet_wabert.corpora.timit import prepare_timit
    from espnet_wabert.workers.choice import open_workers

    with open_workers(nj, dask) as workers:
        made = prepare_timit(corpus, split, out, sa, skip_bad, workers)
    click.echo(made.summary)


if __name__ == "__main__":
    main()
