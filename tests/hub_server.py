"""A model hub on this machine that speaks the Hugging Face Hub's HTTP interface.

It has what `create_repo`, `upload_folder` and `snapshot_download` ask for. It also serves plain
files, as Zenodo does.
"""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub(BaseHTTPRequestHandler):
    """Repositories in memory: {repository: {path: content}}, and files: {path: content}."""

    protocol_version = "HTTP/1.1"
    repositories: dict[str, dict[str, bytes]] = {}
    files: dict[str, bytes] = {}
    requests: list[str] = []

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        self.answer_get(body=True)

    def do_HEAD(self):
        self.answer_get(body=False)

    def do_POST(self):
        type(self).requests.append(f"POST {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            self.repositories.setdefault(name, {})
            return self.send(json.dumps({"url": f"{self.server.url}/{name}"}).encode())
        repo, rest = self.split(self.path, "/api/models/")
        if repo and rest == "/preupload/main":
            paths = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in paths]
            return self.send(json.dumps({"files": modes}).encode())
        if repo and rest == "/commit/main":
            content = self.repositories[repo]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    content[value["path"]] = base64.b64decode(value["content"])
            commit = {"commitUrl": f"{self.server.url}/c/1", "commitOid": sha(content)}
            return self.send(json.dumps(commit).encode())
        if self.path == "/api/validate-yaml":
            return self.send(b'{"errors": [], "warnings": []}')
        return self.send(b"", 404)

    def answer_get(self, body: bool):
        type(self).requests.append(f"{self.command} {self.path}")
        path = self.path.split("?")[0]
        if path in self.files:
            return self.send(self.files[path], body=body)
        repo, rest = self.split(path, "/api/models/")
        if repo and rest.startswith("/tree/"):
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": blob(data)}
                for name, data in sorted(self.repositories[repo].items())
            ]
            return self.send(json.dumps(tree).encode(), body=body)
        if repo and (not rest or rest.startswith("/revision/")):
            files = [{"rfilename": name} for name in sorted(self.repositories[repo])]
            info = {"id": repo, "sha": sha(self.repositories[repo]), "siblings": files}
            return self.send(json.dumps(info).encode(), body=body)
        if path.startswith("/api/models/"):
            return self.send(b"", 404, {"X-Error-Code": "RepoNotFound"}, body=body)
        repo, rest = self.split(path, "/")
        if repo and rest.startswith("/resolve/"):
            repository = self.repositories[repo]
            content = repository.get(rest.split("/", 3)[3])
            headers = {"X-Repo-Commit": sha(repository)}
            if content is None:
                return self.send(b"", 404, {**headers, "X-Error-Code": "EntryNotFound"}, body=body)
            headers["ETag"] = f'"{blob(content)}"'
            return self.send(content, 200, headers, body=body)
        unknown = {"X-Error-Code": "RepoNotFound"} if "/resolve/" in path else None
        return self.send(b"", 404, unknown, body=body)

    def split(self, path: str, prefix: str) -> tuple[str, str]:
        """Return the repository that a path names, with or without an owner, and what follows."""
        for name in self.repositories:
            if path == prefix + name or path.startswith(f"{prefix}{name}/"):
                return name, path[len(prefix + name) :]
        return "", path

    def send(self, content: bytes, status: int = 200, headers=None, body: bool = True):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)


def blob(content: bytes) -> str:
    """Return git's name of a file's content."""
    header = f"blob {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def sha(repository: dict[str, bytes]) -> str:
    """Return the commit of a repository's content."""
    digest = hashlib.sha1(usedforsecurity=False)
    for name, content in sorted(repository.items()):
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()


@contextmanager
def running_hub():
    """Run a hub on a free port of the loopback interface; give its handler, with `url`."""
    handler = type("Handler", (Hub,), {"repositories": {}, "files": {}, "requests": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.url = handler.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield handler
        finally:
            server.shutdown()
            thread.join()
