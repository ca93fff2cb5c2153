"""Logging for people and machines: one JSON object a line, without secrets."""

import json
import logging
import re
import sys
from datetime import UTC, datetime

REDACTED = "[redacted]"
QUIET_LOGGERS = ("aiohttp.access", "httpx", "httpcore", "urllib3", "botocore")

# Values of credentials in URLs and headers, plain or percent-encoded, and passwords in URLs.
_SECRETS = re.compile(
    r"(?P<name>(?<![A-Za-z])(?:key|signature|access_token|token|secret|password)(?:=|%3D))[^&\s\"'<>)]+"
    r"|(?P<header>Authorization['\"]?\s*[:=]\s*['\"]?(?:\w+\s+)?)[^\s'\",}]+"
    r"|(?P<user>://[^/\s:@]*:)[^/\s@]+(?=@)",
    re.IGNORECASE,
)
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "color_message",
}


def redact(text: str) -> str:
    """Remove the values of keys, signatures, tokens and passwords from a text."""
    return _SECRETS.sub(_without_value, text)


def _without_value(match: re.Match[str]) -> str:
    kept = match["name"] or match["header"] or match["user"]
    return f"{kept}{REDACTED}"


class JsonFormatter(logging.Formatter):
    """Format a record as JSON: a sentence for people, `action` and other fields for machines."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        fields = {k: v for k, v in vars(record).items() if k not in _STANDARD_FIELDS}
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "service": self._service,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: redact(str(value)) for name, value in line.items()})


def configure_logging(service: str, level: int = logging.INFO) -> None:
    """Write all log records to standard error as JSON. Each entry point calls this once."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
