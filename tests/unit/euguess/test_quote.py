"""Quotes of collections."""

import pytest

from euguess.collection.quote import quote
from euguess.errors import InvalidInput
from euguess.geography.countries import preset
from euguess.messages.collection import Budget, DatasetSpec


def spec(**fields: object) -> DatasetSpec:
    return DatasetSpec.model_validate(
        {"name": "plan", "quotas": preset("eu32").quotas, "provider": "google", **fields}
    )


def test_the_study_costs_what_the_price_list_says() -> None:
    found = quote(spec())
    assert (found.countries, found.places, found.images) == (32, 14_260, 42_780)
    assert found.messages == 286
    assert found.dollars == pytest.approx(42_780 * 0.007)
    assert found.dollars_after_free == pytest.approx(32_780 * 0.007)
    assert found.hours_at_rate_limit == pytest.approx((42_780 + 14_260) / 400 / 3600)
    assert (found.shortage, found.places_in_budget) == (None, 14_260)


def test_the_simulator_is_free_and_has_no_limit() -> None:
    found = quote(spec(provider="simulator"))
    assert (found.dollars, found.free_images, found.hours_at_rate_limit) == (0, 0, None)


@pytest.mark.parametrize(
    ("budget", "places"),
    [
        (Budget(images=62), 20),
        (Budget(dollars=0.21), 10),  # 30 images
        (Budget(images=62, dollars=0.21), 10),
        (Budget(images=2), 0),
        (Budget(images=42_780), 14_260),
    ],
)
def test_a_budget_covers_complete_places_only(budget: Budget, places: int) -> None:
    found = quote(spec(budget=budget))
    assert found.places_in_budget == places
    assert (found.shortage is None) == (places == found.places)


def test_a_provider_without_a_price_is_refused() -> None:
    with pytest.raises(InvalidInput, match="No price is known"):
        quote(spec(provider="other"))
