"""`wabert demo` as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Server(NamedTuple):
    url: str
    process: subprocess.Popen

    def megabytes(self) -> int:
        """Memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    """Serve the page until the block ends; its temporary files are in `folder`, its log, too."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [sys.executable, "-m", "espnet_wabert.cli.main", "demo", "--port", str(port)]
    environment = os.environ | {"TMPDIR": str(folder), "HF_HUB_OFFLINE": "1"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()  # when it is ready, or at its end
        assert line.startswith(f"http://127.0.0.1:{port} "), (folder / "log").read_text()
        yield Server(line.split()[0], process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            process.kill()
            process.stdout.close()
