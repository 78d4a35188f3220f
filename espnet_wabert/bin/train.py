"""Train WaBERT: ESPnet's training command with WaBERT's parts."""

from espnet_wabert.errors import one_line_errors
from espnet_wabert.training.task import WaBERTTask


def get_parser():
    """Return ESPnet's parser with the task's options."""
    return WaBERTTask.get_parser()


@one_line_errors
def main(cmd=None):
    """Train; `--help` and `--print_config` show the options."""
    WaBERTTask.main(cmd=cmd)


if __name__ == "__main__":
    main()
