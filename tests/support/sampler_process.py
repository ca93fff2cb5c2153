"""Samplers as processes beside a rig of fetchers."""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx

from euguess.clients import SamplerClient
from euguess.messages.collection import DatasetState, DatasetStatus
from euguess.process.ports import free_ports
from euguess.process.project import project_root, service_command
from euguess.stack.processes import RunningServer, ServerSpec, started
from euguess.stack.servers import http_ready
from tests.support.fetcher_rig import SPEC, Rig, eventually


@dataclass(frozen=True)
class SamplerProcess:
    """A sampler that runs, and a client of it."""

    url: str
    server: RunningServer
    client: SamplerClient

    def kill(self) -> None:
        os.killpg(self.server.pid, signal.SIGKILL)

    def readiness(self) -> dict[str, str]:
        answer: dict[str, str] = httpx.get(f"{self.url}/readyz").json()
        return answer


@contextlib.contextmanager
def sampler_process(rig: Rig, ready_path: str = "/readyz") -> Iterator[SamplerProcess]:
    """Run a sampler with the addresses of a rig."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    spec = ServerSpec(
        name="sampler",
        argv=tuple(service_command("sampler", "--port", str(port))),
        ready=http_ready(f"{url}{ready_path}"),
        env={**rig.variables(), "EUGUESS_RECONCILE_SECONDS": "0.2"},
        cwd=project_root(),
        ports=(port,),
    )
    log = rig.folder / f"sampler-{secrets.token_hex(4)}.log"
    with started(spec, log) as server, SamplerClient(url) as client:
        yield SamplerProcess(url, server, client)


@contextlib.contextmanager
def running_sampler(rig: Rig) -> Iterator[SamplerClient]:
    """Run a sampler of which only the client matters."""
    with sampler_process(rig) as sampler:
        yield sampler.client


async def wait_for(
    client: SamplerClient, is_reached: Callable[[DatasetStatus], bool], name: str = SPEC.name
) -> DatasetStatus:
    """Poll the status of a dataset until a condition holds."""

    async def reached() -> bool:
        return is_reached(await asyncio.to_thread(client.status, name))

    await eventually(reached, seconds=150)
    return client.status(name)


def is_complete(status: DatasetStatus) -> bool:
    return status.state is DatasetState.COMPLETE
