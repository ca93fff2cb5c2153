"""The health check of containers against a real HTTP server."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from euguess.process.probe import probe


class Answers(BaseHTTPRequestHandler):
    """/ok succeeds, everything else is not ready."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ok" else 503)
        self.end_headers()
        self.wfile.write(b"the loop does not progress")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_success_is_health(address: str) -> None:
    assert probe(f"{address}/ok") is None


def test_a_service_that_is_not_ready_says_why(address: str) -> None:
    assert probe(f"{address}/readyz") == "HTTP 503: the loop does not progress"


def test_no_service_is_no_health() -> None:
    assert probe("http://127.0.0.1:1/") == "no answer (URLError)"
