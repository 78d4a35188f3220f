"""A server of files for the tests of downloads."""

import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from espnet_wabert.corpora.download import CHUNK


class Server(BaseHTTPRequestHandler):
    """Serves `files`; cuts the first `cuts` answers after `after` bytes; can ignore ranges."""

    files: dict[str, bytes] = {}
    cuts = 0
    after = CHUNK + 100
    encoding = None
    ranges = True
    status = 200
    asked: list[str | None] = []

    def do_GET(self):
        cls = type(self)
        cls.asked.append(self.headers.get("Range"))
        content = cls.files.get(self.path)
        if content is None or cls.status != 200:
            self.send_error(404 if content is None else cls.status)
            return
        start = 0
        if cls.ranges and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        if cls.encoding:
            self.send_header("Content-Encoding", cls.encoding)
        self.end_headers()
        part = content[start:]
        if cls.cuts > 0:
            cls.cuts -= 1
            part = part[: cls.after]
        self.wfile.write(part)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    handler = type("Handler", (Server,), {"files": {}, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=partial(http.serve_forever, poll_interval=0.01))
        thread.start()
        handler.url = f"http://127.0.0.1:{http.server_port}"
        yield handler
        http.shutdown()
        thread.join()
