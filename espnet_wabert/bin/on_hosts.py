"""Run one command on several hosts by ssh, each with its NODE_RANK; end all if one fails."""

import sys

import click

from espnet_wabert.errors import one_line_errors


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--hosts", required=True, help="Names with a comma between, such as a,b.")
@click.option("--shell", help="Remote shell with its options; default: ssh without a password.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@one_line_errors
def main(hosts, shell, command):
    """Run COMMAND in this folder, which all hosts must share, after its path.sh."""
    from espnet_wabert.recipes.hosts import SSH, run_on_hosts

    sys.exit(run_on_hosts(hosts.split(","), command, shell or SSH))


if __name__ == "__main__":
    main()
