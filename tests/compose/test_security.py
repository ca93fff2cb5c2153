"""Privileges and limits of the running containers."""

import pytest

from tests.compose.stack import Docker, Stack

pytestmark = pytest.mark.timeout(4000)

USER = "10001"
SERVICES = ("sampler", "fetcher", "simulator", "trainer", "inference", "dashboard")
OTHERS = ("minio", "mlflow", "redis", "setup")
BUILD_TOOLS = "cc gcc g++ make git pip pip3 uv go"


def test_only_prepare_runs_as_root(stack: Stack) -> None:
    users = {c.service: c.facts["Config"]["User"] for c in stack.containers()}
    assert {service for service, user in users.items() if user != f"{USER}:{USER}"} == {"prepare"}


def test_no_process_in_a_container_runs_as_root(stack: Stack) -> None:
    for container in stack.running():
        rows = stack.docker.run("top", container.id, "-eo", "pid,uid,args").splitlines()[1:]
        assert rows
        assert {row.split()[1] for row in rows} == {USER}, container.service


def test_even_root_cannot_write_to_the_root_file_systems(stack: Stack) -> None:
    for container in stack.running():
        assert container.host["ReadonlyRootfs"], container.service
        touch = ("exec", "--user", "0", container.id, "touch", "/etc/written", "/usr/written")
        answer = stack.docker.try_run(*touch)
        assert answer.returncode != 0, container.service
        assert answer.stderr.count("Read-only file system") == 2, container.service


def test_containers_have_no_capabilities_and_cannot_gain_any(stack: Stack) -> None:
    for container in stack.containers():
        assert container.host["CapDrop"] == ["ALL"], container.service
        assert "no-new-privileges:true" in container.host["SecurityOpt"], container.service
        added = {cap.removeprefix("CAP_") for cap in container.host["CapAdd"] or ()}
        allowed = {"CHOWN", "DAC_OVERRIDE", "FOWNER"} if container.service == "prepare" else set()
        assert added == allowed, container.service
    for container in stack.running():
        status = stack.docker.run("exec", container.id, "cat", "/proc/1/status")
        facts = dict(line.split(":\t", 1) for line in status.splitlines())
        assert int(facts["CapBnd"], 16) == 0, container.service
        assert facts["NoNewPrivs"] == "1", container.service


def test_memory_processes_and_logs_are_limited(stack: Stack) -> None:
    for container in stack.containers():
        assert 0 < container.host["Memory"] <= 16 * 2**30, container.service
        assert 0 < container.host["PidsLimit"] <= 2048, container.service
        assert {"max-size", "max-file"} <= set(container.host["LogConfig"]["Config"])
        assert not container.host["Privileged"], container.service


@pytest.mark.parametrize("name", SERVICES + OTHERS)
def test_images_have_no_build_tools_and_a_non_root_user(
    docker: Docker, images: None, name: str
) -> None:
    image = f"euguess/{name}"
    config = docker.inspect(image, kind="image")[0]["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Labels"]["org.opencontainers.image.title"] == f"EUGuess {name}"
    look = f"for tool in {BUILD_TOOLS}; do command -v $tool; done; ls -A /run/secrets 2>/dev/null"
    shell = ("run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c")
    assert docker.run(*shell, f"{look}; true") == ""
