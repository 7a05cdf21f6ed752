"""A web server on this machine: files of a folder, and the git repositories in it."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    LOG = list[tuple[str, str | None]]


@contextmanager
def serve(folder: Path) -> Iterator[tuple[str, LOG]]:
    """The server's address, and each request's path with its Authorization header."""
    log: LOG = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self) -> None:
            self.note()
            if self.path.startswith("/away/"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/away/"))
                self.end_headers()
            elif self.path.startswith("/flaky") and [path for path, _ in log].count(self.path) < 3:
                self.send_error(503)
            elif ".git/" in self.path:
                self.git()
            else:
                super().do_GET()

        def do_POST(self) -> None:
            self.note()
            self.git()

        def note(self) -> None:
            log.append((self.path, self.headers.get("Authorization")))

        def git(self) -> None:
            path, _, query = self.path.partition("?")
            environ = {
                "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(folder), "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_ADDR": "127.0.0.1",
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
            }  # fmt: skip
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            environ["CONTENT_LENGTH"] = str(len(body))
            done = subprocess.run(
                ["git", "http-backend"], env=environ, input=body, capture_output=True, check=False
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(fields.pop("Status", "200 OK").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", log
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
