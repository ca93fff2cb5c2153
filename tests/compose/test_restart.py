"""`down` and `up` again: the volumes keep everything."""

from pathlib import Path

import pytest

from euguess.messages.serving import Prediction
from tests.compose.clients import dataset_status, inference_client, stored_views
from tests.compose.stack import Generations, Stack

pytestmark = pytest.mark.timeout(4000)

VOLUMES = ("secrets", "redis", "minio", "mlflow", "trainer", "inference", "tokens")


def predict(stack: Stack, folder: Path, views: list[bytes]) -> Prediction:
    with inference_client(stack, folder) as client:
        return client.predict(views)


def test_the_other_compose_version_resumes_with_the_data_after_down(
    stack: Stack, generations: Generations, tmp_path: Path
) -> None:
    before = dataset_status(stack, "demo")
    views = stored_views(stack, "demo-new-places")
    prediction = predict(stack, tmp_path, views)

    stack.run("down")
    assert stack.containers() == []
    assert stack.networks() == set()
    assert stack.volumes() == {f"{stack.project}_{name}" for name in VOLUMES}

    stack.compose = generations[max(generations)]
    stack.run("up", "--detach")
    stack.wait_until_ended("first-run", 120)
    assert "There is a champion" in stack.logs(stack.container("first-run"))
    assert dataset_status(stack, "demo") == before
    assert stored_views(stack, "demo-new-places") == views
    stack.wait_until_healthy("inference", "dashboard", "trainer", "fetcher")
    again = predict(stack, tmp_path, views)
    assert again.model == prediction.model
    assert again.probability == pytest.approx(prediction.probability, abs=1e-4)
