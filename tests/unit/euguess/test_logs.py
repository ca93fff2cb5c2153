"""Logs: machine-readable, and without secrets."""

import json
import logging
import sys

import pytest

from euguess.process.logs import JsonFormatter, redact

CANARY = "canary-5f3a"


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://example.org/streetview?size=1x1&key={CANARY}&signature={CANARY}",
        f"location=1%2C2%26key%3D{CANARY}",
        f"?access_token={CANARY} failed",
        f"{{'Authorization': 'OAuth {CANARY}'}}",
        f"Authorization: Bearer {CANARY}",
        f"redis://:{CANARY}@127.0.0.1:6379/0",
        f"amqp://user:{CANARY}@host/",
        f"password={CANARY}",
    ],
)
def test_secrets_are_removed(text: str) -> None:
    assert CANARY not in redact(text)


def test_ordinary_text_is_kept() -> None:
    text = "stored 3 views of FR/12 at https://example.org/x?size=640x640"
    assert redact(text) == text


def test_a_line_is_json_with_its_action_and_redacted_exception() -> None:
    try:
        raise ValueError(f"https://example.org?key={CANARY}")
    except ValueError:
        record = logging.makeLogRecord(
            {"msg": "slot %s ended", "args": ("FR/1",), "action": "end", "exc_info": sys.exc_info()}
        )
    text = JsonFormatter("sampler").format(record)
    line = json.loads(text)
    assert (line["message"], line["action"], line["service"]) == (
        "slot FR/1 ended",
        "end",
        "sampler",
    )
    assert "ValueError" in line["exception"]
    assert CANARY not in text
