"""TorchServe's configuration files: addresses, access, logging and the model store."""

import re
from dataclasses import dataclass
from pathlib import Path

from euguess.process.ports import LOOPBACK

MAX_REQUEST_BYTES = 32 * 2**20  # eight photos from a phone
JOB_QUEUE_SIZE = 200
NETTY_THREADS = 4
TOKEN_MINUTES = 10 * 365 * 24 * 60  # each start makes new tokens; clients read the key file


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingOptions:
    """Addresses and working directory of TorchServe. `home` is private to it."""

    home: Path
    host: str = LOOPBACK  # of predictions only; all other ports are on loopback
    port: int
    management_port: int
    metrics_port: int
    grpc_ports: tuple[int, int]
    worker_port: int = 9000  # only names the workers' Unix sockets
    client_token: Path | None = None  # file with the inference token, for other machines

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.port, self.management_port, self.metrics_port, *self.grpc_ports)

    @property
    def store(self) -> Path:
        """The only folder that TorchServe may load archives from."""
        return self.home / "store"

    @property
    def config_path(self) -> Path:
        return self.home / "config.properties"

    @property
    def log_config_path(self) -> Path:
        return self.home / "log4j2.xml"


def key_file_path(home: Path) -> Path:
    """Return the path of the tokens, which TorchServe writes to its working directory."""
    return home / "key_file.json"


def config_properties(options: ServingOptions) -> str:
    """Return the text of config.properties."""
    grpc_inference, grpc_management = options.grpc_ports
    properties = {
        "inference_address": f"http://{options.host}:{options.port}",
        "management_address": f"http://{LOOPBACK}:{options.management_port}",
        "metrics_address": f"http://{LOOPBACK}:{options.metrics_port}",
        "grpc_inference_address": LOOPBACK,
        "grpc_management_address": LOOPBACK,
        "grpc_inference_port": grpc_inference,
        "grpc_management_port": grpc_management,
        "initial_worker_port": options.worker_port,
        "model_store": options.store,
        "allowed_urls": allowed_urls(options.store),
        "enable_model_api": "true",  # for the agent; the management port is on loopback
        "disable_token_authorization": "false",
        "token_expiration_min": TOKEN_MINUTES,
        "install_py_dep_per_model": "false",
        "enable_envvars_config": "false",
        "max_request_size": MAX_REQUEST_BYTES,
        "job_queue_size": JOB_QUEUE_SIZE,
        "number_of_netty_threads": NETTY_THREADS,
        "metrics_mode": "prometheus",
        "disable_system_metrics": "true",  # else TorchServe forks a Python process each minute
    }
    return "".join(f"{name}={_escape(str(value))}\n" for name, value in properties.items())


def allowed_urls(store: Path) -> str:
    """Return a regular expression for the store's archives; commas would separate expressions."""
    return f"file://{re.escape(str(store))}/.*".replace(",", r"\x2c")


def _escape(value: str) -> str:
    """Escape a value for a Java properties file, which is Latin-1 with backslash escapes."""
    escaped = value.replace("\\", "\\\\").encode("utf-16-be")
    units = (int.from_bytes(escaped[at : at + 2], "big") for at in range(0, len(escaped), 2))
    return "".join(chr(unit) if unit < 128 else f"\\u{unit:04x}" for unit in units)


# By default each request logs 6.7 kB and costs Java 2 to 4.5 ms of CPU; with this, 0.5 ms.
LOG4J2_XML = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration>
  <Appenders>
    <Console name="STDERR" target="SYSTEM_ERR">
      <PatternLayout pattern="%d{ISO8601} [%-5p] %c{1} - %m%n"/>
    </Console>
  </Appenders>
  <Loggers>
    <Logger name="ACCESS_LOG" level="off"/>
    <Logger name="TS_METRICS" level="off"/>
    <Logger name="MODEL_METRICS" level="off"/>
    <Logger name="MODEL_LOG" level="warn"/>
    <Logger name="io.netty" level="error"/>
    <Logger name="org.apache" level="off"/>
    <Logger name="org.pytorch.serve" level="warn"/>
    <Root level="warn"><AppenderRef ref="STDERR"/></Root>
  </Loggers>
</Configuration>
"""
