"""Settings: small classes, one per concern, read once in a composition root.

Values come from EUGUESS_* variables, else from the file that a running local stack leaves
in its home (`.euguess/stack.env`), else from the defaults. A variable EUGUESS_X_FILE names a file
that holds the value of a secret EUGUESS_X.
"""

import os
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from euguess.errors import InvalidInput

ENV_PREFIX = "EUGUESS_"
HOME_STORE = "store"  # folder in the home with the objects, with and without a running stack
EARLIER_STORE = "s3"  # folder in the home in which stacks of earlier versions kept them


class _SecretFileSource(EnvSettingsSource):
    """Reads the file named by EUGUESS_<FIELD>_FILE."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = self.env_vars.get(f"{ENV_PREFIX}{field_name}_file".lower())
        value = Path(path).read_text().strip() if path else None
        return value, field_name, False


class Settings(BaseSettings):
    """Base of all settings classes; `load` is the only place where the environment is read."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        stack = DotEnvSettingsSource(settings_cls, env_file=stack_env_path())
        return init_settings, env_settings, _SecretFileSource(settings_cls), stack

    @classmethod
    def load(cls) -> Self:
        """Load the settings. Raises InvalidInput with the names of invalid variables, no values."""
        try:
            return cls()
        except ValidationError as error:
            wrong = (
                f"{ENV_PREFIX}{str(found['loc'][0]).upper()}: {found['msg']}"
                for found in error.errors()
            )
            raise InvalidInput("; ".join(wrong)) from None


class HomeSettings(BaseSettings):
    """Where a local stack and its data live."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="ignore", frozen=True)

    home: Path = Field(
        default=Path(".euguess"),
        description="Data, logs and credentials of a local stack; tensor caches and checkpoints",
    )


def stack_env_path() -> Path:
    """File with the addresses of the local stack, present while it runs."""
    return HomeSettings().home / "stack.env"


class StoreSettings(Settings):
    """Object store: s3://bucket, file:///folder (or a relative path) or memory://."""

    store_url: str = Field(
        default="",
        description="`s3://bucket`, `file:///folder` or `memory://`; default: the folder `store` "
        "in the home",
    )
    s3_endpoint: str = Field(
        default="",
        description="Address of the S3 server, e.g. `http://127.0.0.1:9000`; default: AWS",
    )
    s3_access_key: str = Field(default="", description="Access key of the S3 server")
    s3_secret_key: SecretStr = Field(
        default=SecretStr(""), description="Secret key of the S3 server"
    )
    s3_region: str = Field(default="us-east-1", description="Region of the bucket")

    @property
    def url(self) -> str:
        """The configured store, else a folder in the home, which needs no server."""
        return self.store_url or f"file://{(HomeSettings().home / HOME_STORE).resolve()}"

    @property
    def unmoved(self) -> Path | None:
        """Folder of an earlier version's stack whose objects are not in this store yet, if any."""
        folder = HomeSettings().home / EARLIER_STORE
        return folder if not self.store_url and folder.is_dir() else None


class RedisSettings(Settings):
    """Broker and live view. The password, if any, is in the URL's user part."""

    redis_url: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"),
        description="Broker and live view; the URL contains the password, if any",
    )


class MlflowSettings(Settings):
    """Tracking server and model registry."""

    mlflow_url: str = Field(
        default="",
        description="Tracking server and model registry; default: the database `mlflow.db` in the "
        "home",
    )

    @property
    def url(self) -> str:
        """The configured server, else a database file in the home, which needs no server."""
        return self.mlflow_url or f"sqlite:///{(HomeSettings().home / 'mlflow.db').resolve()}"


class SweepSettings(Settings):
    """Database of sweeps, if not a file in the home: a URL that may hold a password."""

    sweep_storage: SecretStr = Field(
        default=SecretStr(""),
        description="Database of sweeps that several machines share, e.g. "
        "`postgresql://user:password@host/sweeps`; default: a file in the home",
    )


class EnergySettings(Settings):
    """Assumptions of the energy estimates in model cards.

    Defaults: CodeCarbon's for a processor that it does not know, 85 W of which half is drawn; and
    the world's electricity by the IEA's Global Energy and CO2 Status Report 2019.
    """

    cpu_watts: float = Field(
        default=42.5,
        gt=0,
        description="Power draw of a processor that model cards assume. Default: CodeCarbon's "
        "figure for an unknown processor (half of 85 W)",
    )
    grid_grams_per_kwh: float = Field(
        default=475.0,
        ge=0,
        description="Grams of CO2 per kWh. Default: the world average of the IEA's Global Energy "
        "and CO2 Status Report 2019",
    )


class DeviceSettings(Settings):
    """How GPUs calculate. Training on a CPU is always repeatable."""

    repeatable: bool = Field(
        default=False,
        description="On a GPU: the same seed gives the same bits, as far as PyTorch can, instead "
        "of the fastest algorithms and TF32",
    )


class SamplerSettings(Settings):
    """Limits of the collection loop."""

    lease_seconds: float = Field(
        default=120.0,
        description="A fetcher that is silent for this long counts as lost, and its slots are "
        "published again",
    )
    outstanding_limit: int = Field(
        default=400, description="Most slots that are published and not yet answered"
    )
    max_failures: int = Field(default=8, description="Failures after which a slot ends as failed")
    reconcile_seconds: float = Field(
        default=1.0, description="Seconds between two checks of the leases"
    )
    training_queue_limit: int = Field(
        default=100, ge=1, description="Most training runs that may be queued"
    )


class ProviderSettings(Settings):
    """Imagery provider credentials and addresses."""

    google_base_url: str = Field(
        default="https://maps.googleapis.com", description="Address of the Street View Static API"
    )
    google_key: SecretStr = Field(
        default=SecretStr(""), description="API key of the Street View Static API"
    )
    google_signing_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Secret that signs requests to the Street View Static API",
    )
    accept_provider_terms: str = Field(
        default="",
        description="`google` turns that provider on; its terms forbid storing its images and "
        "training on them",
    )
    simulator_url: str = Field(
        default="http://127.0.0.1:8091", description="Address of the imagery simulator"
    )
    simulator_key: SecretStr = Field(
        default=SecretStr("simulator-key"), description="Key that the simulator expects"
    )


class ServiceSettings(Settings):
    """Addresses of the services that clients call."""

    sampler_url: str = Field(
        default="", description="Where commands and dashboard find the sampler"
    )
    inference_url: str = Field(
        default="", description="Where commands and dashboard find TorchServe"
    )
    inference_key_file: str = Field(
        default="",
        description="TorchServe's `key_file.json`; read again for each request, as TorchServe "
        "renews its keys",
    )
    dashboard_url: str = Field(
        default="", description="Address of the dashboard; `euguess demo` prints it"
    )


class AccessSettings(Settings):
    """Who may use sampler and dashboard."""

    access_token: SecretStr = Field(
        default=SecretStr(""),
        description="Token for changes to a sampler or dashboard that other machines can reach. "
        "Local stack and containers generate it",
    )
    allowed_hosts: str = Field(
        default="",
        description="Further host names of sampler and dashboard, separated by commas, e.g. "
        "`gpu-box.example`. Loopback names always work",
    )
    published_on: str = Field(
        default="",
        description="Address on which others reach a service in a container; default: the one "
        "that it listens on. Unless it is a loopback address, changes need the access token",
    )


class FirstRunSettings(Settings):
    """The demonstration at the first start of the containers."""

    first_run: str = Field(
        default="on", description="`off` skips the demonstration of `euguess demo --once`"
    )

    @property
    def is_off(self) -> bool:
        return self.first_run.lower() in ("off", "no", "false", "0")


class ProgramSettings(BaseSettings):
    """How the user called a command line that `euguess` runs in a process of its own."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="ignore", frozen=True)

    program: str | None = Field(
        default=None, description="Set by `euguess` for the programs that it runs"
    )


def child_environment(**variables: str) -> dict[str, str]:
    """Return the environment of this process with some variables replaced, for a child."""
    return {**os.environ, **variables}  # noqa: TID251 - the one place that passes it on
