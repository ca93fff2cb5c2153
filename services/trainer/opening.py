"""Opens what experiments work with."""

from pathlib import Path

from rich.console import Console

from euguess.settings import EnergySettings, MlflowSettings, StoreSettings
from services.trainer.devices import choose_device, use_available_cores
from services.trainer.display import Display
from services.trainer.session import Session
from services.trainer.tracking.runs import open_tracking
from services.trainer.tracking.versions import Registry


def open_workshop(
    home: Path, store: StoreSettings, mlflow: MlflowSettings, device: str, console: Console
) -> Session:
    """Raises ServiceUnavailable when MLflow does not answer, InvalidInput for a bad device.

    What the cards will need is read here, so that it cannot fail after hours of training.
    """
    energy = EnergySettings.load()
    use_available_cores()
    chosen = choose_device(device)
    tracking = open_tracking(mlflow.url, home)
    return Session(
        home=home,
        store=store,
        tracking=tracking,
        registry=Registry(tracking.client),
        device=chosen,
        display=Display(console),
        energy=energy,
    )
