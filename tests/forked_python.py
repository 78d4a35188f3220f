"""A Python for the recipes' tests that has imported torch and ESPnet already.

A stage of a recipe on a handful of utterances imports for 2 to 8 s and works for less than one.
`forked_python()` starts a server that imports once, and gives an executable to be used as PYTHON:
what it is asked to run, it runs in a fork of the server, with its own arguments, folder,
environment and open files. What it cannot run so, such as `-c`, it runs in a new Python. The
processes of a training (`espnet_wabert.bin.launch`) are forks, too, and not spawned.
"""

import atexit
import gc
import importlib
import logging
import marshal
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
import weakref
from functools import cache, partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
COMMANDS = "espnet_wabert.bin."
# Read while a package is imported: a command with other values gets a new Python.
READ_AT_IMPORT = ("HF_", "XDG_", "TRANSFORMERS_", "TORCH_", "OMP_", "MKL_")
IMPORTED = """espnet_wabert.training.launching espnet_wabert.training.task
    espnet_wabert.bin.options espnet_wabert.cif.numba_kernel
    espnet_wabert.modules.forward_sum_kernel espnet_wabert.alignment.segmental_viterbi
    espnet_wabert.inference.decoding espnet_wabert.plots.figures espnet_wabert.scoring.report
    espnet_wabert.scoring.sentiment espnet_wabert.recipes.requirements
    espnet_model_zoo.downloader sklearn.metrics matplotlib.pyplot torch.utils.tensorboard
    transformers.models.bert.modeling_bert transformers.models.data2vec.modeling_data2vec_audio
    transformers.models.wav2vec2.modeling_wav2vec2 transformers.models.whisper.modeling_whisper
    transformers.models.auto.modeling_auto transformers.models.auto.tokenization_auto""".split()
# `json`, `signal` and `socket` take longer to import than all else here; their C parts do not.
CLIENT = """#!{python} -IS
import _signal, _socket, array, marshal, os, sys
words, names = sys.argv[1:], {names}
own = {{k: v for k, v in os.environ.items() if k.startswith(names)}}
known = words[0].endswith(".py") or words[0] == "-m" and words[1].startswith({commands!r})
if not known or own != {environment}:
    os.execv({python!r}, [{python!r}, *words])
server = _socket.socket(_socket.AF_UNIX)
server.connect({address!r})
request = marshal.dumps([words[words[0] == "-m" :], os.getcwd(), dict(os.environ)])
files = _socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [0, 1, 2])
server.sendmsg([len(request).to_bytes(8, "big")], [files])
server.sendall(request)
with open(server.detach(), "rb") as answer:
    pid = int(answer.readline())
    for number in (_signal.SIGTERM, _signal.SIGINT):
        _signal.signal(number, lambda number, _: os.kill(pid, number))
    status = int(answer.readline())
if status < 0:
    _signal.signal(-status, _signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)
"""


@cache
def forked_python(**variables: str) -> str:
    """Start the server; return the path of the executable. It ends with this process.

    Args:
        variables: of the environment, of those that are read while a package is imported.
    """
    folder = tempfile.TemporaryDirectory(prefix="python")  # a short path: a socket's has a limit
    address = f"{folder.name}/socket"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **variables}
    server = subprocess.Popen([sys.executable, "-u", __file__, address], env=environment, cwd=ROOT)
    client = Path(folder.name) / "python"
    own = {k: v for k, v in environment.items() if k.startswith(READ_AT_IMPORT)}
    values = {"python": sys.executable, "names": READ_AT_IMPORT, "commands": COMMANDS}
    client.write_text(CLIENT.format(**values, environment=own, address=address))
    client.chmod(0o755)
    while not Path(address).exists():
        if server.poll() is not None:
            raise RuntimeError("the server of forked_python has ended")
        time.sleep(0.05)
    atexit.register(folder.cleanup)
    atexit.register(server.terminate)
    return str(client)


def forget_launcher() -> None:
    """Undo what a training's launcher has set for itself, as in a process that it spawns."""
    logging.disable(logging.NOTSET)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def serve(address: str) -> None:
    """Answer requests. Returns in a fork for each one, which is ready to run the command."""
    parent = os.getppid()
    # Fork is safe here: the only other thread is that of pyarrow's allocator, which knows of forks.
    warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
    for name in IMPORTED:
        importlib.import_module(name)
    elastic: Any = importlib.import_module("torch.distributed.elastic.multiprocessing")
    elastic.start_processes = partial(elastic.start_processes, start_method="fork")
    os.register_at_fork(after_in_child=forget_launcher)
    # Tables that numba and transformers fill when they are first used, in 0.4 and 0.2 s.
    numba: Any = importlib.import_module("numba.core.registry").cpu_target
    numba.typing_context.refresh()
    numba.target_context.refresh()
    mapping: Any = importlib.import_module("transformers.conversion_mapping")
    mapping.get_checkpoint_conversion_mapping("bert")
    # At its end a fork need not take 190 libraries of operators out of torch's tables (60 ms).
    for info in weakref.finalize._registry.values():  # type: ignore[attr-defined]
        info.atexit = False
    gc.freeze()  # a collection in a fork would copy the memory of all objects
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{address}.new")
        server.listen(64)
        server.settimeout(5)
        os.rename(f"{address}.new", address)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the watchers
        while os.getppid() == parent:
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            if os.fork() == 0:
                break
            connection.close()
        else:
            sys.exit()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(connection, 8, 3)
    connection.settimeout(None)
    with connection.makefile("rwb") as stream:
        words, folder, environment = marshal.loads(stream.read(int.from_bytes(size, "big")))
        pid = os.fork()
        if pid:  # the watcher
            for number in files:
                os.close(number)
            stream.write(f"{pid}\n".encode())
            stream.flush()
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            stream.write(f"{status}\n".encode())
            stream.flush()
            os._exit(0)
    connection.close()
    for number, own in zip(files, range(3), strict=True):
        os.dup2(number, own)
        os.close(number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    paths = environment.get("PYTHONPATH", "").split(":")
    sys.path[:] = [folder, *filter(None, paths), *sys.path[1:]]
    sys.argv[:] = words


if __name__ == "__main__":
    serve(sys.argv[1])
    try:
        if sys.argv[0].endswith(".py"):
            runpy.run_path(sys.argv[0], run_name="__main__")
        else:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else bool(end.code)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    # What Python does at its end, but for the deletion of each object, which takes 2 s.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
