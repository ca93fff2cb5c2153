"""Contests use only places new to both models, in countries that the challenger can name."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from euguess.messages.collection import PlaceSource
from euguess.messages.serving import (
    ImageSpec,
    ModelCard,
    ModelCountry,
)
from euguess.messages.training import SeenViews
from euguess.promotion.verdict import NotComparable
from services.trainer.errors import Diverged
from services.trainer.models.comparison import (
    Contender,
    common_locations,
    contest_places,
    hits_of_both,
    location_hits,
    require_known_places,
)
from services.trainer.models.stored_model import StoredModel
from services.trainer.splits.leaks import unseen_locations
from tests.support.tiny_training import COUNTRIES, CPU, SIZE, tiny_index, tiny_recipe

INDEX = tiny_index(12)
NOTHING = SeenViews(location_ids=(), sha256s=())
ALL = np.unique(INDEX.location_ids)


class Brightest(nn.Module):
    """Predicts the country of the brightest channel, shifted by `turn` labels."""

    def __init__(self, turn: int = 0) -> None:
        super().__init__()
        self.turn = turn

    def forward(self, images: Tensor) -> Tensor:
        return torch.roll(10 * images.mean(dim=(2, 3)), self.turn, dims=1)


class Broken(nn.Module):
    """Returns NaN for every logit."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.full((len(images), len(COUNTRIES)), torch.nan)


def contender(
    network: nn.Module | None = None,
    seen: SeenViews = NOTHING,
    codes: tuple[str, ...] = COUNTRIES,
    protocol: str = "location",
) -> Contender:
    pixels = np.full((len(INDEX), SIZE, SIZE, 3), 60, dtype=np.uint8)
    pixels[np.arange(len(INDEX)), :, :, INDEX.labels(COUNTRIES)] += 80
    card = ModelCard(
        network="none",
        countries=tuple(ModelCountry(country_code=code, name=code) for code in codes),
        image=ImageSpec(size=SIZE),
        dataset="tiny",
        manifest_digest="0" * 64,
        recipe_name="tiny",
        trained_at=datetime(2026, 1, 1, tzinfo=UTC),
        split_protocol=protocol,
    )
    recipe = tiny_recipe(f"split.protocol={protocol}", "split.buffer_km=200")
    model = StoredModel("run", card, network or Brightest(), recipe, seen)
    return Contender(model, INDEX, pixels)


def seen_places(*ids: str) -> SeenViews:
    return SeenViews(location_ids=ids, sha256s=())


def test_places_that_either_model_has_seen_are_left_out() -> None:
    one, other = contender(seen=seen_places("place-000")), contender(seen=seen_places("place-003"))
    assert set(ALL) - set(common_locations(one, other)) == {"place-000", "place-003"}


def test_a_challenger_trained_on_the_champions_test_set_has_no_places_left() -> None:
    champion = contender(seen=seen_places(*ALL[4:]))
    challenger = contender(seen=seen_places(*ALL[:4]))
    assert not len(common_locations(challenger, champion))


def test_a_place_with_a_copy_of_a_seen_photo_is_left_out() -> None:
    copied = SeenViews(location_ids=(), sha256s=(str(INDEX.sha256s[4]),))  # a view of place 1
    assert set(ALL) - set(unseen_locations(INDEX, copied, 0)) == {"place-001"}


def test_places_near_seen_ones_are_left_out_with_a_buffer() -> None:
    seen = SeenViews(
        location_ids=(), sha256s=(), positions=((50.0, 5.0),)
    )  # places are 111 km apart
    assert set(ALL) - set(unseen_locations(INDEX, seen, 0)) == set()
    assert set(ALL) - set(unseen_locations(INDEX, seen, 120)) == {
        "place-004",
        "place-005",
        "place-006",
    }


def test_a_buffer_of_one_model_applies_to_both() -> None:
    seen = SeenViews(location_ids=("place-005",), sha256s=(), positions=((50.0, 5.0),))
    buffered = contender(seen=NOTHING, protocol="location+buffer")
    assert len(common_locations(contender(seen=seen), contender())) == 11
    assert len(common_locations(contender(seen=seen), buffered)) == 9


def test_only_places_in_countries_that_both_can_name_decide() -> None:
    found = contest_places(contender(codes=("FR", "IT")), contender(codes=("FR", "XX")))
    places = len(ALL) // 3
    assert (len(found.decisive), len(found.new)) == (places, places)
    assert found.left_out == {"PL": places}


def test_a_dataset_of_unknown_places_cannot_decide() -> None:
    unknown = replace(INDEX, place_sources=np.full(len(INDEX), PlaceSource.UNKNOWN.value))
    with pytest.raises(NotComparable, match="show the same place"):
        require_known_places(unknown, "mine")


def test_hits_are_compared_by_country_code_not_by_label() -> None:
    right = location_hits(contender(), ALL, CPU)
    turned = location_hits(contender(Brightest(turn=1), codes=("PL", "FR", "IT")), ALL, CPU)
    assert right.all()
    assert turned.all()
    assert not location_hits(contender(Brightest(turn=1)), ALL, CPU).any()


def test_hits_come_in_the_order_of_the_places() -> None:
    france = location_hits(contender(codes=("FR", "XX", "YY")), ALL, CPU)
    assert france.tolist() == [number % 3 == 0 for number in range(12)]


def test_a_network_that_returns_nan_is_an_error() -> None:
    with pytest.raises(Diverged):
        location_hits(contender(Broken()), ALL, CPU)


def test_a_challenger_that_returns_nan_is_refused() -> None:
    with pytest.raises(NotComparable, match="not finite numbers"):
        hits_of_both((contender(Broken()), contender()), ALL, CPU, lambda note: None)


def test_a_champion_that_returns_nan_can_be_replaced() -> None:
    notes: list[str] = []
    first, second = hits_of_both((contender(), contender(Broken())), ALL, CPU, notes.append)
    assert first.all()
    assert not second.any()
    assert "always wrong" in notes[0]


@pytest.mark.parametrize("chosen", [ALL[:1], ALL[3:5]])
def test_only_the_given_places_are_evaluated(chosen: np.ndarray) -> None:
    assert len(location_hits(contender(), chosen, CPU)) == len(chosen)
