"""A tiny web service: `--serve` answers on $PORT, `--check` asks it, without either it greets and ends."""

import os
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

PORT = int(os.environ.get("PORT", "8000"))
GREETING = f"hello {os.environ.get('HELLO_VERSION', 'dev')}\n"


class Handler(BaseHTTPRequestHandler):
    """Greets whoever asks."""

    def do_GET(self) -> None:
        """Send the greeting."""
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(GREETING.encode())


if "--serve" in sys.argv:
    HTTPServer(("", PORT), Handler).serve_forever()
elif "--check" in sys.argv:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=2) as answer:
        sys.exit(answer.read().decode() != GREETING)
else:
    sys.stdout.write(GREETING)
