"""One command on several hosts by a remote shell, such as ssh or PBS's pbs_tmrsh."""

import os
import shlex
import subprocess
import time
from collections.abc import Sequence

from espnet_wabert.errors import UserError

# Never ask for a password; with a terminal, so that the end of ssh ends the command.
SSH = "ssh -tt -o BatchMode=yes -o ConnectTimeout=10"
NO_CONNECTION = 255  # its status
# Variables that go along; path.sh sets the others.
PASSED = ("CUDA_", "GLOO_", "HF_", "NCCL_", "OMP_", "PYTHON", "TORCH_", "XDG_CACHE_HOME")


def run_on_hosts(hosts: Sequence[str], command: Sequence[str], shell: str = SSH) -> int:
    """Run a command on each host, in this folder and with its rank as NODE_RANK.

    If it fails on one host, which it tells itself, it is ended on the others.

    Args:
        hosts: names of the hosts.
        command: its words.
        shell: the remote shell, with its options.

    Returns:
        The status of the first command that has failed; 0: none has.

    Raises:
        UserError: a host cannot be reached, or does not have this folder.
    """
    if len(set(hosts)) < len(hosts) or not all(hosts):
        raise UserError(f"--hosts {','.join(hosts)}: each host once, with a comma between")
    _check(hosts, shell)
    running = {host: _start(host, shell, _script(command, rank)) for rank, host in enumerate(hosts)}
    try:
        while running:
            for host in list(running):
                status = running[host].poll()
                if status is None:
                    continue
                if status == NO_CONNECTION or status < 0:
                    raise UserError(f"{host}: the connection was lost")
                if status:
                    return status
                del running[host]
            time.sleep(0.2)
        return 0
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()


def _check(hosts: Sequence[str], shell: str) -> None:
    """Find hosts that cannot be reached, before a command is started on the others."""
    folder = os.getcwd()
    script = f"test -e {shlex.quote(folder)}/path.sh || echo missing"
    tried = {host: _start(host, shell, script, stdout=subprocess.PIPE) for host in hosts}
    for host, process in tried.items():
        output, _ = process.communicate()
        lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
        if process.returncode:
            reason = lines[-1].strip() if lines else f"status {process.returncode}"
            raise UserError(f"{host}: cannot be reached by {shell.split()[0]}: {reason}")
        if lines and lines[-1].strip() == "missing":
            raise UserError(f"{host}: no folder {folder}; the hosts must share it")


def _script(command: Sequence[str], rank: int) -> str:
    """Return what the remote shell runs."""
    passed = {name: value for name, value in os.environ.items() if name.startswith(PASSED)}
    exports = [
        f"export {name}={shlex.quote(v)}" for name, v in passed.items() if name.isidentifier()
    ]
    lines = ["if [ -t 1 ]; then stty -onlcr; fi", f"cd {shlex.quote(os.getcwd())}", *exports]
    lines += [". ./path.sh", f"export NODE_RANK={rank}", f"exec {shlex.join(command)}"]
    return " && ".join(lines)


def _start(host: str, shell: str, script: str, stdout: int | None = None) -> subprocess.Popen:
    words = [*shlex.split(shell), host, f"bash -c {shlex.quote(script)}"]
    try:
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=stdout,
            stderr=None if stdout is None else subprocess.STDOUT,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise UserError(f"{words[0]}: no such command, which reaches {host}") from error
