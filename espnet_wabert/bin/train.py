"""Train WaBERT: ESPnet's training command with WaBERT's parts."""

from espnet_wabert.errors import one_line_errors
from espnet_wabert.training.task import WaBERTTask


@one_line_errors
def main(cmd=None):
    """Train; `--help` and `--print_config` show the options."""
    WaBERTTask.main(cmd=cmd)


if __name__ == "__main__":
    main()
