"""TorchServe's configuration files and command, and the clients' errors."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from euguess.errors import ServiceUnavailable
from services.inference.configuration import (
    LOG4J2_XML,
    ServingOptions,
    allowed_urls,
    config_properties,
)
from services.inference.management import TorchServeFailed
from services.inference.readiness import TorchServe, connect, write_addresses
from services.inference.server import prepare_home, torchserve_command
from tests.support.fake_torchserve import FakeTorchServe


def _options(home: Path, host: str = "127.0.0.1") -> ServingOptions:
    return ServingOptions(
        home=home, host=host, port=1, management_port=2, metrics_port=3, grpc_ports=(4, 5)
    )


def _properties(options: ServingOptions) -> dict[str, str]:
    lines = config_properties(options).splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_only_predictions_may_be_served_beyond_loopback() -> None:
    properties = _properties(_options(Path("/srv"), host="0.0.0.0"))
    assert properties.pop("inference_address") == "http://0.0.0.0:1"
    addresses = [value for name, value in properties.items() if name.endswith("_address")]
    assert len(addresses) == 4
    assert all("127.0.0.1" in address for address in addresses)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("disable_token_authorization", "false"),
        ("install_py_dep_per_model", "false"),
        ("metrics_mode", "prometheus"),
        ("disable_system_metrics", "true"),
        ("max_request_size", "33554432"),
    ],
)
def test_settings_for_security_and_quiet_logs_are_written(name: str, value: str) -> None:
    assert _properties(_options(Path("/srv")))[name] == value


def test_models_may_only_be_loaded_from_the_store() -> None:
    pattern = allowed_urls(Path("/srv/my.models"))
    assert re.fullmatch(pattern, "file:///srv/my.models/a.mar")
    assert not re.fullmatch(pattern, "file:///srv/myXmodels/a.mar")
    assert not re.fullmatch(pattern, "http://evil/srv/my.models/a.mar")


def test_a_comma_in_the_path_does_not_end_the_pattern() -> None:
    assert "," not in allowed_urls(Path("/srv/a,b"))
    assert re.fullmatch(allowed_urls(Path("/srv/a,b")), "file:///srv/a,b/x")


def test_paths_are_escaped_for_a_java_properties_file() -> None:
    properties = _properties(_options(Path("/srv/modèles.d")))
    assert properties["model_store"] == "/srv/mod\\u00e8les.d/store"
    assert "\\\\.d" in properties["allowed_urls"]


def test_logging_is_configured_quietly() -> None:
    loggers = ElementTree.fromstring(LOG4J2_XML).iter("Logger")
    levels = {logger.get("name"): logger.get("level") for logger in loggers}
    assert levels["ACCESS_LOG"] == "off"
    assert levels["MODEL_LOG"] == "warn"


def test_java_is_started_directly_with_a_small_heap_and_its_own_sockets(tmp_path: Path) -> None:
    command = torchserve_command(Path("/usr/bin/java"), _options(tmp_path), Path("/tmp/short"))
    assert command.argv[0] == "/usr/bin/java"
    assert "-Xmx512m" in command.argv
    assert "-ncs" in command.argv
    assert command.env["TMPDIR"] == command.env["TEMP"] == "/tmp/short"
    assert command.cwd == tmp_path


def test_the_working_directory_is_private_and_free_of_old_tokens(tmp_path: Path) -> None:
    home = tmp_path / "inference"
    (home / "store" / ".download-x").mkdir(parents=True)
    (home / "key_file.json").write_text("{}")
    prepare_home(_options(home))
    assert home.stat().st_mode & 0o777 == 0o700
    assert not (home / "key_file.json").exists()
    assert list((home / "store").iterdir()) == []


def test_readiness_detects_a_server_without_a_model(server: TorchServe) -> None:
    with pytest.raises(TorchServeFailed, match="without a model"):
        server.check()


def test_readiness_detects_a_server_that_is_down(
    server: TorchServe, torchserve: FakeTorchServe
) -> None:
    torchserve.is_down = True
    with pytest.raises(TorchServeFailed, match="does not answer"):
        server.check()


def test_a_client_without_a_server_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable, match="`euguess up`"):
        connect(tmp_path)


def test_a_client_without_a_key_file_names_it(tmp_path: Path) -> None:
    write_addresses(_options(tmp_path))
    with pytest.raises(ServiceUnavailable, match=r"key_file\.json"):
        connect(tmp_path).check()
