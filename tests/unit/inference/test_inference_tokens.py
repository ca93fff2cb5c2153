"""The token file for clients: only the inference key, written atomically."""

import json
from pathlib import Path

from services.inference.configuration import ServingOptions, key_file_path
from services.inference.server import ClientToken


def options(home: Path, target: Path | None) -> ServingOptions:
    return ServingOptions(
        home=home, port=1, management_port=2, metrics_port=3, grpc_ports=(4, 5), client_token=target
    )


KEYS = {"management": {"key": "m"}, "inference": {"key": "i"}, "API": {"key": "a"}}


def test_only_the_inference_key_is_shared(tmp_path: Path) -> None:
    target = tmp_path / "tokens" / "inference.json"
    key_file_path(tmp_path).write_text(json.dumps(KEYS))
    ClientToken(options(tmp_path, target)).share()
    assert json.loads(target.read_text()) == {"inference": {"key": "i"}}
    assert [path.name for path in target.parent.iterdir()] == ["inference.json"]


def test_it_waits_until_torchserve_has_written_its_keys(tmp_path: Path) -> None:
    target = tmp_path / "inference.json"
    token = ClientToken(options(tmp_path, target))
    token.share()
    key_file_path(tmp_path).write_text('{"manage')
    token.share()
    assert not target.exists()
    key_file_path(tmp_path).write_text(json.dumps(KEYS))
    token.share()
    assert target.exists()


def test_nothing_is_written_without_a_target(tmp_path: Path) -> None:
    key_file_path(tmp_path).write_text(json.dumps(KEYS))
    ClientToken(options(tmp_path, None)).share()
    assert [path.name for path in tmp_path.iterdir()] == ["key_file.json"]
