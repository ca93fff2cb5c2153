"""Secrets as files: generated once, or given by the user and validated."""

import stat
from pathlib import Path

import pytest

from euguess.deployment.secret_files import SECRETS, require_s3_keys, write_secrets
from euguess.errors import InvalidInput
from tests.support.requirements import needs_root

pytestmark = needs_root


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    return folder


def values(target: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in target.iterdir()}


def test_all_secrets_are_generated_at_the_first_start_and_kept(given: Path, target: Path) -> None:
    made = write_secrets(given, target)
    first = values(target)
    assert set(first) == {secret.name for secret in SECRETS} | {"redis_url"}
    assert set(made) == {name for name, value in first.items() if value} - {"redis_url"}
    assert write_secrets(given, target) == []
    assert values(target) == first


def test_two_stacks_have_different_secrets(given: Path, tmp_path: Path) -> None:
    stacks = [tmp_path / "one", tmp_path / "two"]
    for stack in stacks:
        stack.mkdir()
        write_secrets(given, stack)
    one, two = (values(stack) for stack in stacks)
    assert not {value for value in one.values() if value} & set(two.values())


def test_only_the_group_of_a_secret_can_read_it(given: Path, target: Path) -> None:
    write_secrets(given, target)
    for secret in SECRETS:
        state = (target / secret.name).stat()
        assert (state.st_gid, stat.S_IMODE(state.st_mode)) == (secret.gid, 0o440)


def test_a_given_secret_replaces_the_generated_one(given: Path, target: Path) -> None:
    write_secrets(given, target)
    (given / "redis_password").write_text("correct/horse:battery\n")
    assert write_secrets(given, target) == []
    assert (target / "redis_password").read_text() == "correct/horse:battery"
    assert (target / "redis_url").read_text() == ("redis://:correct%2Fhorse%3Abattery@redis:6379/0")


def test_a_secret_that_is_not_given_is_dev_null(given: Path, target: Path) -> None:
    (given / "google_key").symlink_to("/dev/null")
    write_secrets(given, target)
    assert (target / "google_key").read_text() == ""


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("changeme", "placeholder"),
        ("Change-Me-Please", "placeholder"),
        ("<your key here>", "placeholder"),
        ("${REDIS_PASSWORD}", "placeholder"),
        ("password123", "placeholder"),
        ("minioadmin", "placeholder"),
        ("short7!", "too short"),
        ("with a blank", "blank"),
        ('quoted"secret', "quote"),
        ("geheimnißvoll", "ASCII"),
    ],
)
def test_an_invalid_secret_is_refused_before_anything_is_written(
    given: Path, target: Path, value: str, complaint: str
) -> None:
    (given / "redis_password").write_text(value)
    with pytest.raises(InvalidInput, match=f"EUGUESS_REDIS_PASSWORD_FILE.*{complaint}") as refused:
        write_secrets(given, target)
    assert not value.strip() or value.strip() not in str(refused.value)
    assert not values(target)


def test_a_folder_in_place_of_a_file_is_named(given: Path, target: Path) -> None:
    (given / "google_key").mkdir()
    with pytest.raises(InvalidInput, match="EUGUESS_GOOGLE_KEY_FILE names a folder"):
        write_secrets(given, target)


def test_an_external_s3_server_requires_given_keys(given: Path) -> None:
    (given / "s3_access_key").write_text("an-access-key")
    with pytest.raises(InvalidInput, match="EUGUESS_S3_SECRET_KEY_FILE"):
        require_s3_keys(given)
    (given / "s3_secret_key").write_text("a-long-secret-key")
    require_s3_keys(given)
