"""Command lines of the servers of a local stack. All of them listen on loopback only."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote

from pydantic import SecretStr

from euguess.process.ports import LOOPBACK
from euguess.process.programs import Program
from euguess.stack.processes import ServerSpec

PROBE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """Configuration of a Redis server."""

    program: Program
    port: int
    data: Path
    password: SecretStr | None = None

    @property
    def url(self) -> SecretStr:
        user = f":{quote(self.password.get_secret_value(), safe='')}@" if self.password else ""
        return SecretStr(f"redis://{user}{LOOPBACK}:{self.port}/0")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """Configuration of an S3 server. SeaweedFS takes eight ports, MinIO two; S3 is the first."""

    program: Program
    ports: tuple[int, ...]
    data: Path
    access_key: str
    secret_key: SecretStr

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.ports[0]}"


SEAWEEDFS_PORTS = 8
MINIO_PORTS = 2


def s3_port_count(program: Program) -> int:
    """Return the number of ports that a program takes."""
    return MINIO_PORTS if program.name == "minio" else SEAWEEDFS_PORTS


def redis_spec(server: RedisServer) -> ServerSpec:
    """Run Redis so that it refuses writes when full, rather than dropping messages."""
    config = server.data / "redis.conf"  # a command line would show the password to every user
    return ServerSpec(
        name="redis",
        argv=(str(server.program.path), str(config)),
        ready=lambda: _redis_answers(server.port, (b"+PONG", b"-NOAUTH")),  # not "-LOADING"
        healthy=lambda: _redis_answers(server.port, (b"+", b"-")),
        ports=(server.port,),
        folders=(server.data,),
        private_files={config: _redis_config(server)},
    )


def s3_spec(server: S3Server) -> ServerSpec:
    """Run MinIO or SeaweedFS, whichever was found."""
    return _minio_spec(server) if server.program.name == "minio" else _seaweedfs_spec(server)


def http_ready(url: str) -> Callable[[], bool]:
    """Return a readiness check: GET responds with a 2xx status."""

    def answers() -> bool:
        try:
            with _opener.open(url, timeout=PROBE_SECONDS):
                return True
        except (OSError, HTTPException):
            return False

    return answers


def http_responds(url: str) -> Callable[[], bool]:
    """Return a health check: there is a response to GET, whatever its status."""

    def responds() -> bool:
        try:
            with _opener.open(url, timeout=PROBE_SECONDS):
                return True
        except urllib.error.HTTPError:
            return True
        except (OSError, HTTPException):
            return False

    return responds


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _redis_config(server: RedisServer) -> str:
    lines = [
        f"bind {LOOPBACK}",
        f"port {server.port}",
        f"dir {json.dumps(str(server.data.resolve()))}",
        "appendonly yes",
        "appendfsync everysec",
        "maxmemory-policy noeviction",
        'save ""',
        "daemonize no",
    ]
    if server.password:
        lines.append(f"requirepass {json.dumps(server.password.get_secret_value())}")
    return "\n".join(lines) + "\n"


def _redis_answers(port: int, expected: tuple[bytes, ...]) -> bool:
    """Return True if the response to a PING starts with one of these."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=PROBE_SECONDS) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(expected)
    except OSError:
        return False


def _minio_spec(server: S3Server) -> ServerSpec:
    port, console_port = server.ports
    address = ("--address", f"{LOOPBACK}:{port}", "--console-address", f"{LOOPBACK}:{console_port}")
    return ServerSpec(
        name="minio",
        argv=(str(server.program.path), "server", "--quiet", *address, str(server.data)),
        ready=http_ready(f"{server.endpoint}/minio/health/cluster"),
        healthy=http_responds(f"{server.endpoint}/minio/health/live"),
        env={
            "MINIO_ROOT_USER": server.access_key,
            "MINIO_ROOT_PASSWORD": server.secret_key.get_secret_value(),
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        },
        ports=server.ports,
        folders=(server.data,),
    )


def _seaweedfs_spec(server: S3Server) -> ServerSpec:
    config = server.data / "s3.json"
    return ServerSpec(
        name="seaweedfs",
        argv=(str(server.program.path), *_seaweedfs_arguments(server, config)),
        ready=http_ready(f"{server.endpoint}/healthz"),
        healthy=http_responds(f"{server.endpoint}/healthz"),
        # Volumes created at the first write to a bucket. The default is seven; with one, that
        # write waits 5 s for the next heartbeat.
        env={"WEED_MASTER_VOLUME_GROWTH_COPY_1": "2"},
        stop_seconds=2.0,  # it takes 15 s to end; acknowledged writes survive SIGKILL
        removed_after=_seaweedfs_sockets(server.ports),
        ports=server.ports,
        folders=(server.data,),
        private_files={config: _seaweedfs_identities(server)},
    )


def _seaweedfs_arguments(server: S3Server, config: Path) -> list[str]:
    s3, s3_grpc, filer, filer_grpc, volume, volume_grpc, master, master_grpc = server.ports
    options = {
        "ip": LOOPBACK,
        "ip.bind": LOOPBACK,
        "dir": server.data,
        "master.port": master,
        "master.port.grpc": master_grpc,
        "master.telemetry": "false",
        "master.electionTimeout": "1s",
        "master.volumeSizeLimitMB": 1024,
        "volume.port": volume,
        "volume.port.grpc": volume_grpc,
        "volume.preStopSeconds": 0,
        "volume.max": 10_000,  # limited by the disk; a bucket takes at least one volume
        "filer": "true",
        "filer.port": filer,
        "filer.port.grpc": filer_grpc,
        "s3": "true",
        "s3.port": s3,
        "s3.port.grpc": s3_grpc,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.iam": "false",
        "s3.autoCreateBucket": "false",  # a wrong bucket name is an error, as on other servers
        "s3.config": config,
    }
    return ["-logtostderr=true", "server", *(f"-{name}={value}" for name, value in options.items())]


def _seaweedfs_sockets(ports: tuple[int, ...]) -> tuple[Path, ...]:
    """Return the Unix sockets that SeaweedFS opens at fixed paths besides its ports."""
    s3, s3_grpc, filer, filer_grpc, _, volume_grpc, _, master_grpc = ports
    names = (
        f"s3-{s3}",
        f"s3-grpc-{s3_grpc}",
        f"filer-{filer}",
        f"filer-grpc-{filer_grpc}",
        f"volume-grpc-{volume_grpc}",
        f"master-grpc-{master_grpc}",
    )
    return tuple(Path(f"/tmp/seaweedfs-{name}.sock") for name in names)


def _seaweedfs_identities(server: S3Server) -> str:
    secret = server.secret_key.get_secret_value()
    identity = {
        "name": "euguess",
        "credentials": [{"accessKey": server.access_key, "secretKey": secret}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    return json.dumps({"identities": [identity]})
