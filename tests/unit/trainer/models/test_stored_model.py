"""Stored models are tested only on what they have not seen; reports say what is left out."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from rich.console import Console
from torch import Tensor, nn

from euguess.errors import InvalidInput
from euguess.messages.serving import ImageSpec, ModelCard, ModelCountry
from euguess.messages.training import SeenViews
from euguess.training.recipes.recipe import Recipe
from euguess.training.report import LeftOut
from services.trainer.cache.format import TensorCache
from services.trainer.dataset.view_index import ViewIndex
from services.trainer.loading.split_data import (
    LabelledSplit,
    label_and_split,
    read_split_data,
    seen_views,
    subset,
)
from services.trainer.models.stored_model import (
    ModelTest,
    StoredModel,
    is_same_training,
    read_test,
    report_stored,
)
from services.trainer.reports.tables import print_report
from tests.support.tiny_training import (
    COUNTRIES,
    CPU,
    DIGEST,
    SIZE,
    tiny_cache,
    tiny_index,
    tiny_recipe,
)

OTHER_DIGEST = "f" * 64
DISTANT = ("location+buffer", "spatial")


class Brightest(nn.Module):
    """Predicts the country of the brightest channel, which is right."""

    def forward(self, images: Tensor) -> Tensor:
        return 10 * images.mean(dim=(2, 3))


def model(recipe: Recipe, seen: SeenViews, codes: tuple[str, ...] = COUNTRIES) -> StoredModel:
    card = ModelCard(
        network="none",
        countries=tuple(ModelCountry(country_code=code, name=code) for code in codes),
        image=ImageSpec(size=SIZE),
        dataset="tiny",
        manifest_digest=DIGEST,
        recipe_name="tiny",
        trained_at=datetime(2026, 1, 1, tzinfo=UTC),
        split_protocol=recipe.split.protocol.value,
    )
    return StoredModel("run", card, Brightest(), recipe, seen, "PL")


def trained_on(cache: TensorCache, recipe: Recipe) -> StoredModel:
    return model(recipe, seen_views(read_split_data(cache, recipe, CPU)))


def places(test: ModelTest, part: str = "test") -> set[str]:
    rows = getattr(test.split_data.split, part)
    return set(test.split_data.index.location_ids[rows].tolist())


def without(index: ViewIndex, *ids: str) -> ViewIndex:
    return subset(index, np.flatnonzero(~np.isin(index.location_ids, ids)))


def moved(index: ViewIndex, km: float) -> ViewIndex:
    """Return other photos of other places with other ids, some km to the north of these."""
    return replace(
        index,
        location_ids=np.char.add("later-", index.location_ids),
        sha256s=np.char.replace(index.sha256s, "0" * 8, "a" * 8),
        lats=index.lats + km / 111.195,
    )


@pytest.mark.parametrize("protocol", ["location", "location+buffer", "spatial", "image"])
def test_on_the_same_photos_a_model_has_the_test_part_of_its_run(protocol: str) -> None:
    recipe, cache = tiny_recipe(f"split.protocol={protocol}"), tiny_cache(tiny_index(30))
    test = read_test(trained_on(cache, recipe), cache, CPU)
    expected = read_split_data(cache, recipe, CPU).split
    assert test.is_own
    assert test.split_data.split.test.tolist() == expected.test.tolist()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("protocol", ["location", "location+buffer"])
def test_a_photo_that_was_damaged_at_the_training_moves_no_seen_place_into_the_test(
    protocol: str, seed: int
) -> None:
    recipe = tiny_recipe(f"split.protocol={protocol}", f"split.seed={seed}")
    whole = tiny_index(42, views=1)
    damaged = tiny_cache(without(whole, "place-000"))
    stored = trained_on(damaged, recipe)
    own = read_test(stored, damaged, CPU)
    again = read_test(stored, tiny_cache(whole), CPU)  # the manifest has the same digest
    assert places(again).isdisjoint(stored.seen.location_ids)
    assert places(own) <= places(again) <= places(own) | {"place-000"}
    assert report_stored(stored, again).is_honest


def test_a_changed_split_does_not_test_a_model_on_places_that_it_has_seen() -> None:
    cache = tiny_cache(tiny_index(42))
    stored = trained_on(cache, tiny_recipe())
    otherwise = replace(stored, recipe=tiny_recipe("split.seed=1"))
    assert places(read_test(otherwise, cache, CPU)) == places(read_test(stored, cache, CPU))


def test_a_panorama_that_was_seen_is_not_tested_under_another_name() -> None:
    index = tiny_index(12)
    panoramas = np.char.add("pano-", index.location_ids)
    index = replace(index, panorama_ids=panoramas)
    stored = trained_on(tiny_cache(index), tiny_recipe())
    later = tiny_cache(moved(index, 300), digest=OTHER_DIGEST)
    test = read_test(stored, later, CPU)
    seen = {str(name).removeprefix("pano-") for name in stored.seen.panorama_ids}
    assert len(seen) == len(stored.seen.location_ids)
    assert places(test) == {f"later-{name}" for name in set(index.location_ids.tolist()) - seen}


def test_runs_that_recorded_no_panoramas_are_still_read() -> None:
    index = replace(tiny_index(12), panorama_ids=np.array(["same"] * 36))
    old = SeenViews.model_validate_json('{"location_ids": ["place-000"], "sha256s": []}')
    later = tiny_cache(moved(index, 0), digest=OTHER_DIGEST)
    assert len(places(read_test(model(tiny_recipe(), old), later, CPU))) == 12


def test_the_buffer_of_the_split_holds_on_another_dataset() -> None:
    index = tiny_index(12)  # places are 111 km apart
    recipe = tiny_recipe("split.protocol=location+buffer", "split.buffer_km=30")
    stored = trained_on(tiny_cache(index), recipe)
    near = tiny_cache(moved(index, 20), digest=OTHER_DIGEST)
    far = tiny_cache(moved(index, 50), digest=OTHER_DIGEST)
    test = read_test(stored, near, CPU)
    seen = {f"later-{name}" for name in stored.seen.location_ids}
    assert places(test, "dropped") == seen
    assert places(test) == set(moved(index, 20).location_ids.tolist()) - seen
    assert len(places(read_test(stored, far, CPU))) == 12


def test_places_without_a_position_on_either_side_of_the_buffer_are_counted() -> None:
    index = tiny_index(12)
    recipe = tiny_recipe("split.protocol=location+buffer", "split.buffer_km=30")
    stored = trained_on(tiny_cache(index), recipe)
    later = moved(index, 50)
    lost = np.isin(later.location_ids, ["later-place-003", "later-place-010"])
    later = replace(later, lats=np.where(lost, np.nan, later.lats))
    cache = tiny_cache(later, digest=OTHER_DIGEST)
    assert report_stored(stored, read_test(stored, cache, CPU)).without_position == 2
    seen = stored.seen.model_copy(update={"positions": stored.seen.positions[1:]})
    stored = replace(stored, seen=seen)
    assert report_stored(stored, read_test(stored, cache, CPU)).without_position == 3


def test_places_that_were_dropped_for_the_buffer_do_not_count_as_seen() -> None:
    given = LabelledSplit(
        "tiny",
        DIGEST,
        tiny_index(4, views=1),
        (),
        np.zeros(4, dtype=np.int64),
        replace(
            read_split_data(tiny_cache(tiny_index(9)), tiny_recipe(), CPU).split,
            train=np.array([0]),
            val=np.array([1]),
            test=np.array([2]),
            dropped=np.array([3]),
        ),
    )
    assert seen_views(given).location_ids == ("place-000", "place-001")


def test_new_places_of_countries_without_a_name_are_counted_and_not_tested() -> None:
    index = tiny_index(12)
    codes = np.where(index.country_codes == "PL", "SE", index.country_codes)
    later = tiny_cache(replace(moved(index, 500), country_codes=codes), digest=OTHER_DIGEST)
    stored = trained_on(tiny_cache(index), tiny_recipe())
    report = report_stored(stored, read_test(stored, later, CPU))
    assert report.left_out == (LeftOut(country_code="SE", locations=4, images=12),)
    assert report.parts["test"].locations == 8
    assert report.is_honest
    console = Console(width=200, file=io.StringIO(), record=True)
    print_report(console, report)
    assert "4 new places (12 photos) in countries that the model cannot name" in " ".join(
        console.export_text().split()
    )


@pytest.mark.parametrize(("country", "majority"), [("PL", 1 / 6), ("FR", 0.5), (None, None)])
def test_the_majority_is_that_of_the_training_data(
    country: str | None, majority: float | None
) -> None:
    index = without(tiny_index(18), "place-002", "place-005", "place-008", "place-011")
    index = without(index, "place-001", "place-004")  # leaves 6 of FR, 4 of IT and 2 of PL
    stored = replace(model(tiny_recipe(), SeenViews(location_ids=(), sha256s=())))
    stored = replace(stored, majority_country=country)
    later = tiny_cache(moved(index, 0), digest=OTHER_DIGEST)
    report = report_stored(stored, read_test(stored, later, CPU))
    assert report.baselines.majority == (None if majority is None else pytest.approx(majority))
    assert report.baselines.majority_country == country
    print_report(Console(file=io.StringIO()), report)


def test_a_model_that_has_seen_everything_has_no_test() -> None:
    index = tiny_index(6)
    seen = SeenViews(location_ids=tuple(np.unique(index.location_ids).tolist()), sha256s=())
    with pytest.raises(InvalidInput, match="seen every place"):
        read_test(model(tiny_recipe(), seen), tiny_cache(index), CPU)


def test_the_same_places_with_other_photos_are_another_training() -> None:
    one = SeenViews(location_ids=("a", "b"), sha256s=("1", "2"))
    assert is_same_training(one, SeenViews(location_ids=("b", "a"), sha256s=("2", "1")))
    assert not is_same_training(one, SeenViews(location_ids=("a", "b"), sha256s=("1", "3")))


@pytest.mark.parametrize("protocol", DISTANT)
def test_protocols_with_distances_are_refused_without_positions(protocol: str) -> None:
    index = tiny_index(30)
    nowhere = replace(index, lats=index.lats * np.nan, lons=index.lons * np.nan)
    spec = tiny_recipe(f"split.protocol={protocol}").split.spec
    with pytest.raises(InvalidInput, match=r"No photo .* has a position.* protocol location"):
        label_and_split(tiny_cache(nowhere), 3, spec)
    label_and_split(tiny_cache(nowhere), 3, tiny_recipe().split.spec)


@pytest.mark.parametrize(("protocol", "counted"), [("location", 0), *((one, 4) for one in DISTANT)])
def test_the_report_counts_places_that_could_not_be_kept_apart(protocol: str, counted: int) -> None:
    index = tiny_index(30)
    lost = np.isin(index.location_ids, ["place-003", "place-010", "place-017", "place-024"])
    partly = tiny_cache(replace(index, lats=np.where(lost, np.nan, index.lats)))
    stored = trained_on(partly, tiny_recipe(f"split.protocol={protocol}"))
    report = report_stored(stored, read_test(stored, partly, CPU))
    assert report.without_position == counted
    said = [text for text in report.caveats if "could not be kept at a distance" in text]
    assert len(said) == bool(counted)
