"""One command on several hosts by a remote shell, such as ssh or PBS's pbs_tmrsh."""

import os
import shlex
import signal
import subprocess
import sys
import threading
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

    If it fails on one host, which it tells itself, it is ended on the others, and what they print
    about their end is not shown. What the others print goes to standard output.

    Args:
        hosts: names of the hosts.
        command: its words.
        shell: the remote shell, with its options.

    Returns:
        The status of the first command that has failed; 0: none has.

    Raises:
        UserError: a host cannot be reached, or does not have this folder; SIGTERM has come.
    """
    if len(set(hosts)) < len(hosts) or not all(hosts):
        raise UserError(f"--hosts {','.join(hosts)}: each host once, with a comma between")
    _check(hosts, shell)
    running: dict[str, _Host] = {}
    before = signal.signal(signal.SIGTERM, _told_to_end)
    try:
        for rank, name in enumerate(hosts):
            running[name] = _Host(_start(name, shell, _script(command, rank)))
        while running:
            for name, host in list(running.items()):
                status = host.process.poll()
                if status is None:
                    continue
                host.show_rest()
                if status == NO_CONNECTION or status < 0:
                    raise UserError(f"{name}: the connection was lost")
                if status:
                    return status
                del running[name]
            time.sleep(0.2)
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)
        for host in running.values():
            host.end()
        for host in running.values():
            host.process.wait()


class _Host:
    """A command on a host: the remote shell here, and the thread that shows what it prints."""

    def __init__(self, process: subprocess.Popen):
        self.process, self.shown = process, True
        self.thread = threading.Thread(target=self._show, daemon=True)
        self.thread.start()

    def _show(self) -> None:
        assert self.process.stdout is not None  # _start has made it
        while printed := os.read(self.process.stdout.fileno(), 65536):
            if self.shown:
                sys.stdout.buffer.write(printed)
                sys.stdout.buffer.flush()

    def show_rest(self) -> None:
        """Show what a command that has ended has printed; what it has started may still run."""
        self.thread.join(timeout=2.0)

    def end(self) -> None:
        """End the command; what it prints from now on is about its end, whose reason is told."""
        self.shown = False
        self.process.terminate()


def _told_to_end(number: int, _frame: object) -> None:
    raise UserError(f"told to end ({signal.Signals(number).name}): ended on all hosts")


def _check(hosts: Sequence[str], shell: str) -> None:
    """Find hosts that cannot be reached, before a command is started on the others."""
    folder = os.getcwd()
    script = f"test -e {shlex.quote(folder)}/path.sh || echo missing"
    tried = {host: _start(host, shell, script) for host in hosts}
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


def _start(host: str, shell: str, script: str) -> subprocess.Popen:
    words = [*shlex.split(shell), host, f"bash -c {shlex.quote(script)}"]
    try:
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except FileNotFoundError as error:
        raise UserError(f"{words[0]}: no such command, which reaches {host}") from error
