"""The served page: answers or refuses, keeps no memory, and leaves nothing behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from aligners import write_model
from click.testing import CliRunner
from page_server import serving
from tiny import arguments, save

from espnet_wabert import WaBERT
from espnet_wabert.cli.demo import demo
from espnet_wabert.demo.analysis import Analyzer
from espnet_wabert.demo.clips import CLIPS
from espnet_wabert.demo.server import bypass_proxy, delete_old
from espnet_wabert.models.checkpoint import pack

pytest.importorskip("gradio")
gradio_client = pytest.importorskip("gradio_client")
httpx = pytest.importorskip("httpx")

REQUESTS = 50


def test_only_this_machine_is_served_unless_told():
    assert "127.0.0.1" in CliRunner().invoke(demo, ["--help"]).output
    (host,) = (option for option in demo.params if option.name == "host")
    assert host.default == "127.0.0.1"


@pytest.mark.slow
def test_a_used_port_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "espnet_wabert.cli.main", "demo", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: --host 127.0.0.1 --port {port}: cannot be served here")
    assert len(done.stderr.splitlines()) == 1


def test_sentiment_is_on_the_page_if_a_model_has_it(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "examples"))
    from espnet_wabert.demo.page import build

    aligner = WaBERT.from_pretrained(write_model(tmp_path / "a"))
    packed = pack(save(arguments("wabert_sentiment"), tmp_path / "b"), tmp_path / "sentiment.zip")
    for classifier in (None, WaBERT.from_pretrained(packed)):
        parts = build(Analyzer(aligner, classifier)).blocks.values()
        (label,) = (part for part in parts if getattr(part, "elem_id", "") == "sentiment")
        assert label.visible is (classifier is not None)


def test_examples_stay_and_addresses_are_not_opened(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "examples"))
    import gradio as gr

    from espnet_wabert.demo.page import build

    page = build(Analyzer(WaBERT.from_pretrained(write_model(tmp_path / "a")), None))
    (audio,) = (part for part in page.blocks.values() if isinstance(part, gr.Audio))
    kept = {Path(path).name for path in audio.keep_in_cache}
    assert kept == {Path(clip.path).name for clip in CLIPS}
    with pytest.raises(gr.Error, match="addresses are not opened"):
        asyncio.run(audio.async_move_resource_to_block_cache("http://127.0.0.1:9/a.wav"))
    # Of an upload that broke off Gradio keeps no name.
    for name in ("of a broken upload", "of an upload that goes on"):
        (tmp_path / "examples" / name).write_bytes(b"RIFF")
    old = [path for path in (tmp_path / "examples").rglob("*") if "goes on" not in path.name]
    for path in old:
        os.utime(path, (0, 0))
    delete_old(tmp_path / "examples", audio.keep_in_cache)
    found = {path.name for path in (tmp_path / "examples").rglob("*") if path.is_file()}
    assert found == kept | {"of an upload that goes on"}


def test_results_do_not_come_back_after_the_end_of_the_server(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "removed"))
    from espnet_wabert.demo.page import _saved

    with pytest.raises(FileNotFoundError):
        _saved(None, "talk")
    assert not (tmp_path / "removed").exists()


class Answer(BaseHTTPRequestHandler):
    """Says yes."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_the_server_is_asked_without_the_proxy_of_the_network(name, monkeypatch):
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv(name, "intranet")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody listens there
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
        bypass_proxy("127.0.0.1")
        assert httpx.get(url).status_code == 200
        assert os.environ["no_proxy"].split(",")[0] == "intranet"
        server.shutdown()


def test_a_slow_machine_does_not_end_the_server(monkeypatch):
    import gradio as gr
    from gradio import networking

    from espnet_wabert.demo.page import launch_settings

    monkeypatch.setattr(networking, "url_ok", lambda _: False)  # its page takes more than 3 s
    with gr.Blocks(analytics_enabled=False) as page:
        gr.Markdown("Hello")
    page.launch(server_name="127.0.0.1", prevent_thread_lock=True, **launch_settings(10))
    page.close(verbose=False)


@pytest.fixture
def default_hangup():
    """Let a server end at SIGHUP also where the tests ignore it, as under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
def test_a_terminal_that_is_closed_leaves_no_recording(tmp_path, default_hangup):
    with serving(tmp_path, "--model", str(write_model(tmp_path / "model"))) as server:
        assert list(tmp_path.glob("wabert-demo-*"))
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(60) == 0
    assert not list(tmp_path.glob("wabert-demo-*"))


@pytest.mark.slow
def test_fifty_requests_are_answered_or_refused_and_memory_returns(tmp_path):
    from espnet_wabert.demo.page import WAITING

    with serving(tmp_path) as server:
        client = gradio_client.Client(server.url, download_files=False, verbose=False)

        def ask(_: int) -> str:
            try:
                clip = gradio_client.handle_file(CLIPS[0].path)
                shown = client.predict(clip, CLIPS[0].text, "grapheme", api_name="/align")
            except Exception as error:
                return str(error)
            return shown[0]

        rounds = []
        for _ in range(2):
            begin = time.monotonic()
            with ThreadPoolExecutor(REQUESTS) as pool:
                answers = Counter(pool.map(ask, range(REQUESTS)))
            rounds.append(server.megabytes())
            print(answers, rounds, f"{time.monotonic() - begin:.1f} s")
            assert len(answers) == 2
            answered = sum(n for line, n in answers.items() if "22 words in 7.10 s" in line)
            refused = sum(n for line, n in answers.items() if "Queue is full" in line)
            assert answered >= WAITING and answered + refused == REQUESTS
        assert rounds[1] < 1.1 * rounds[0]
        assert "22 words" in ask(0)
    assert not list(tmp_path.glob("wabert-demo-*"))
    assert (tmp_path / "log").read_text() == ""
