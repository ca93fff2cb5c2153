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


def test_a_successful_response_is_healthy(address: str) -> None:
    assert probe(f"{address}/ok") is None


def test_an_unready_service_reports_the_reason(address: str) -> None:
    assert probe(f"{address}/readyz") == "HTTP 503: the loop does not progress"


def test_a_missing_service_is_unhealthy() -> None:
    assert probe("http://127.0.0.1:1/") == "no answer (URLError)"
