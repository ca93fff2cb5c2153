"""Hiding a region exposes a network that relies on it."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from euguess.messages.records import Interval
from services.trainer.models.shortcuts import (
    REGIONS,
    HiddenRegion,
    Region,
    Shortcuts,
    hidden_share,
    hide,
    hide_regions,
)
from services.trainer.models.shortcuts_report import page, write_report
from services.trainer.progress import no_progress
from tests.support.tiny_training import tiny_recipe, tiny_split_data

SKY, BOTTOM, WATERMARK = REGIONS


class BottomNet(nn.Module):
    """Predicts the brightest colour of the lowest fifth, the country in tiny_split_data."""

    def forward(self, images: Tensor) -> Tensor:
        lowest = images[:, :, -images.shape[2] // 5 :]
        return lowest.mean(dim=(2, 3))


@pytest.fixture(scope="module")
def found() -> Shortcuts:
    split_data = tiny_split_data(tiny_recipe(), locations=30)
    accuracy, regions = hide_regions(BottomNet(), split_data, no_progress)
    return Shortcuts(
        run_id="abc",
        dataset="tiny",
        network="bottomnet",
        places=6,
        views=18,
        accuracy=accuracy,
        regions=regions,
    )


def test_hiding_the_bottom_exposes_a_network_that_relies_on_it(found: Shortcuts) -> None:
    by_name = {one.region: one for one in found.regions}
    assert found.accuracy.value > 0.9
    assert by_name[BOTTOM.name].drop.low > 0.3  # falls to chance, one country in three
    assert by_name[BOTTOM.name].is_used


def test_hiding_the_sky_costs_that_network_nothing(found: Shortcuts) -> None:
    sky = next(one for one in found.regions if one.region == SKY.name)
    assert sky.drop == Interval(value=0, low=0, high=0)
    assert not sky.is_used


@pytest.mark.parametrize("region", REGIONS)
def test_a_hidden_region_gets_the_mean_colour_and_the_rest_stays(region: Region) -> None:
    images = torch.ones(2, 3, 200, 200)
    hidden = hide(images, region)
    assert (images == 1).all()
    assert ((hidden == 0) | (hidden == 1)).all()
    share = float((hidden == 0).float().mean())
    assert share == pytest.approx(hidden_share(region), abs=0.01)


def test_the_watermark_region_covers_both_lower_corners() -> None:
    hidden = hide(torch.ones(1, 3, 100, 100), WATERMARK)[0, 0]
    assert hidden[-1, 0] == hidden[-1, -1] == 0
    assert hidden[-1, 50] == hidden[50, 0] == 1


def test_the_report_names_the_regions_that_are_used(found: Shortcuts, tmp_path: Path) -> None:
    data, text, picture = write_report(found, tmp_path / "report")
    assert Shortcuts.model_validate_json(data.read_text()) == found
    rows = {line.split(" | ")[0]: line for line in page(found).splitlines()}
    assert rows[f"| {BOTTOM.name}"].endswith("yes |")
    assert rows[f"| {SKY.name}"].endswith("no |")
    assert text.read_text() == page(found)
    with Image.open(picture) as bars:
        assert bars.width > bars.height


def test_a_drop_whose_interval_contains_zero_is_not_significant() -> None:
    some = Interval(value=0.02, low=-0.01, high=0.05)
    assert not HiddenRegion(region="x", hidden=0.1, accuracy=some, drop=some).is_used
