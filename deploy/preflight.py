#!/usr/bin/env python3
"""Check whether the containers can start, and say how to fix what prevents it. `make up` runs it.

    python3 deploy/preflight.py              one line per problem; exit code 1 if there is one
    python3 deploy/preflight.py --addresses  the addresses of the services

Needs only Python 3.9. DOCKER and COMPOSE replace the commands `docker` and `docker compose`.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GIGABYTE = 2**30
OLDEST_COMPOSE = (1, 29)
# Published ports: variable, port, title, path.
PUBLISHED = (
    ("EUGUESS_DASHBOARD_PORT", 8700, "Dashboard", ""),
    ("EUGUESS_SAMPLER_PORT", 8701, "Sampler", "/docs"),
    ("EUGUESS_INFERENCE_PORT", 8703, "TorchServe", "/predictions/euguess"),
    ("EUGUESS_MINIO_CONSOLE_PORT", 8708, "MinIO", ""),
)
SECRETS = (
    "EUGUESS_REDIS_PASSWORD",
    "EUGUESS_MINIO_ROOT_USER",
    "EUGUESS_MINIO_ROOT_PASSWORD",
    "EUGUESS_S3_ACCESS_KEY",
    "EUGUESS_S3_SECRET_KEY",
    "EUGUESS_SIMULATOR_KEY",
    "EUGUESS_ACCESS_TOKEN",
    "EUGUESS_GOOGLE_KEY",
    "EUGUESS_GOOGLE_SIGNING_SECRET",
)
OWN_ENDPOINT = "http://minio:9000"
IMAGES = tuple(
    f"euguess/{name}"
    for name in (
        *("setup", "redis", "mlflow", "simulator", "sampler", "fetcher"),
        *("trainer", "inference", "dashboard"),
    )
)

Variables = Mapping[str, str]


def main(arguments: list[str]) -> int:
    variables = {**read_env_file(ROOT / ".env"), **environment()}
    if arguments == ["--addresses"]:
        sys.stdout.write(addresses(variables))
        return 0
    problems = [*problems_of_variables(variables), *problems_of_docker(variables)]
    for note in [] if problems else notes(variables):
        sys.stdout.write(f"note: {note}\n")
    for problem in problems:
        sys.stderr.write(f"preflight: {problem}\n")
    return 1 if problems else 0


def environment() -> dict[str, str]:
    return dict(os.environ)  # noqa: TID251 - runs before EUGuess and its settings are installed


def read_env_file(path: Path) -> dict[str, str]:
    """Read the NAME=value lines of .env. The environment overrides them, as in Compose."""
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text(errors="replace").splitlines())
    found = (re.match(r"(?:export\s+)?(\w+)\s*=\s*(.*)", line) for line in lines)
    return {match[1]: _env_value(match[2]) for match in found if match}


def _env_value(text: str) -> str:
    quoted = re.match(r"""(["'])(.*?)\1""", text)
    return quoted[2] if quoted else re.sub(r"\s+#.*", "", text)


def addresses(variables: Variables) -> str:
    host = bind_of(variables)
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    lines = [
        f"{title + ':':12}http://{host}:{variables.get(name) or port}{path}"
        for name, port, title, path in PUBLISHED
    ]
    lines.append("The first run takes some minutes; make logs ARGS=first-run follows it.")
    return "\n".join(lines) + "\n"


def bind_of(variables: Variables) -> str:
    return (variables.get("EUGUESS_BIND") or "127.0.0.1").strip("[]")


# Checks without Docker.


def problems_of_variables(variables: Variables) -> Iterator[str]:
    for secret in SECRETS:
        yield from _problems_of_file(f"{secret}_FILE", variables.get(f"{secret}_FILE") or "")
    endpoint = variables.get("EUGUESS_S3_ENDPOINT") or OWN_ENDPOINT
    for name in ("EUGUESS_S3_ACCESS_KEY_FILE", "EUGUESS_S3_SECRET_KEY_FILE"):
        if endpoint != OWN_ENDPOINT and not variables.get(name):
            yield f"EUGUESS_S3_ENDPOINT names another S3 server; let {name} name its key's file."
    if not _is_number(variables.get("EUGUESS_MIN_FREE_GB") or "5"):
        yield "EUGUESS_MIN_FREE_GB is not a number; set it to a number of gigabytes such as 5."
    yield from _problems_of_port_numbers(variables)


def _problems_of_file(name: str, value: str) -> Iterator[str]:
    if not value or value == os.devnull:
        return
    if not value.startswith(("/", "./", "../", "~/")):
        yield f"{name}={value} must begin with / or ./, or Docker takes it for a volume."
        return
    path = ROOT / Path(value).expanduser()
    if path.is_dir():
        yield f"{name} names the folder {value}; name the file in it that holds the value."
    elif not path.exists():
        yield f"{name} names {value}, which does not exist; write the value into that file."
    elif path.stat().st_size == 0:
        yield f"{name} names {value}, which is empty; write the value into it."


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.\d+)?", text))


def _problems_of_port_numbers(variables: Variables) -> Iterator[str]:
    users: dict[str, str] = {}
    for name, default, _, _ in PUBLISHED:
        port = variables.get(name) or str(default)
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            yield f"{name}={port} is not a port; choose a number from 1 to 65535."
        elif port in users:
            yield f"{name} and {users[port]} are both {port}; choose another port for one of them."
        users[port] = name


# Checks with Docker.


def problems_of_docker(variables: Variables) -> Iterator[str]:
    docker = variables.get("DOCKER") or "docker"
    if not shutil.which(docker):
        yield "Docker is missing; install Docker Engine 20.10 or newer, or Docker Desktop."
        return
    code, _, said = run([docker, "version", "--format", "{{.Server.Version}}"])
    if code:
        yield _unreachable(said)
        return
    compose = find_compose(docker, variables)
    if compose is None:
        yield (
            "Docker Compose is missing; install the plugin docker-compose-plugin, or "
            "docker-compose 1.29."
        )
        return
    yield from _problems_of_compose(compose)
    if is_local(variables):
        yield from _problems_of_ports(docker, compose, variables)
        yield from _problems_of_disk(docker, variables)


def run(command: list[str]) -> tuple[int, str, str]:
    """Run a command; return its exit code, output and last line of standard error."""
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, "", str(error)
    said = ended.stderr.strip().splitlines()
    return ended.returncode, ended.stdout.strip(), said[-1] if said else ""


def _unreachable(said: str) -> str:
    if "permission denied" in said.lower():
        return (
            "no permission to use Docker; add yourself to its group "
            "(sudo usermod -aG docker $USER) and log in again."
        )
    return f"Docker does not respond; start it (sudo systemctl start docker). It said: {said}"


def find_compose(docker: str, variables: Variables) -> list[str] | None:
    """Find the Compose plugin, or else docker-compose."""
    given = shlex.split(variables.get("COMPOSE") or "")
    for command in [given] if given else [[docker, "compose"], ["docker-compose"]]:
        if run([*command, "version", "--short"])[0] == 0:
            return command
    return None


def _problems_of_compose(compose: list[str]) -> Iterator[str]:
    name, said = " ".join(compose), run([*compose, "version", "--short"])[1]
    version = re.search(r"(\d+)\.(\d+)", said)
    if version and (int(version[1]), int(version[2])) < OLDEST_COMPOSE:
        yield f"{name} is version {said}, too old; install 1.29 or a 2.x."
        return
    code, _, said = run([*compose, "config", "-q"])
    if code:
        yield f"{name} cannot read docker-compose.yml with these variables: {said}"


def is_local(variables: Variables) -> bool:
    """Return True if Docker runs here. Ports and disk of a remote engine cannot be checked."""
    return (variables.get("DOCKER_HOST") or "unix://").startswith("unix://")


def _problems_of_ports(docker: str, compose: list[str], variables: Variables) -> Iterator[str]:
    host, own = bind_of(variables), run([*compose, "ps", "-q"])[1].split()
    for name, default, _, _ in PUBLISHED:
        port = variables.get(name) or str(default)
        if not port.isdigit() or int(port) > 65535:
            continue
        state = bind_error(host, int(port))
        if state == errno.EADDRNOTAVAIL:
            yield f"EUGUESS_BIND={host} is not an address of this machine; the default is 127.0.0.1"
            return
        if state == errno.EADDRINUSE:
            yield from _problem_of_port(docker, own, name, port)


def bind_error(host: str, port: int) -> int:
    """Try to listen on a port; return the error number, or 0 if the port is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((host, port))
            server.listen()
        except socket.gaierror:
            return errno.EADDRNOTAVAIL
        except OSError as error:
            return error.errno or 0
    return 0


def _problem_of_port(docker: str, own: list[str], name: str, port: str) -> Iterator[str]:
    query = ["--filter", f"publish={port}", "--format", "{{.ID}} {{.Names}}"]
    listed = run([docker, "ps", "--no-trunc", *query])[1]
    holders = [line.split(maxsplit=1) for line in listed.splitlines()]
    if any(holder[0] in own for holder in holders):
        return  # the stack is running already
    if holders:
        who = f"the container {holders[0][-1]}; stop it"
    else:
        who = "another program, perhaps `euguess up`; stop it (.venv/bin/euguess down)"
    other = int(port) + (100 if int(port) < 65000 else -100)
    yield f"port {port} is taken by {who}, or choose another port: {name}={other}"


def _problems_of_disk(docker: str, variables: Variables) -> Iterator[str]:
    root = Path(run([docker, "info", "--format", "{{.DockerRootDir}}"])[1] or "/")
    wanted = variables.get("EUGUESS_MIN_FREE_GB") or "5"
    free_gb = free_bytes(root) / GIGABYTE
    if _is_number(wanted) and free_gb < float(wanted):
        yield (
            f"Docker's disk ({root}) has {free_gb:.1f} GB free, less than the {wanted} GB of "
            "EUGUESS_MIN_FREE_GB; free some space (docker system df shows what Docker uses), or "
            "lower that variable."
        )


def free_bytes(folder: Path) -> float:
    """Return the free bytes of a disk; infinite if it is not visible, as with Docker Desktop."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return float("inf")


def notes(variables: Variables) -> Iterator[str]:
    """Yield hints that are not problems."""
    docker = variables.get("DOCKER") or "docker"
    missing = [image for image in IMAGES if run([docker, "image", "inspect", image])[0]]
    if missing:
        yield f"not built yet: {', '.join(missing)}; make images builds them, or else this start."
    if not bind_of(variables).startswith("127.") and bind_of(variables) != "::1":
        yield (
            "EUGUESS_BIND opens dashboard and sampler to the network over plain HTTP; changes need "
            "the access token."
        )
    for secret in SECRETS:
        if variables.get(secret):
            yield f"{secret} has no effect here; {secret}_FILE names a file with the value."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
