"""The presets: the study's label order and quotas."""

from collections import Counter

import pytest

from euguess.errors import InvalidInput, UnknownCountry
from euguess.geography.countries import COUNTRIES, PRESETS, country, preset


def test_eu32_requests_the_studys_locations() -> None:
    assert len(preset("eu32").codes) == 32
    assert sum(preset("eu32").quotas.values()) == 14_260
    assert Counter(preset("eu32").quotas.values()) == {860: 8, 369: 18, 123: 6}


@pytest.mark.parametrize(("code", "label"), [("AL", 0), ("MK", 11), ("DE", 12), ("TR", 31)])
def test_labels_are_in_the_studys_order(code: str, label: int) -> None:
    assert preset("eu32").codes.index(code) == label


def test_labels_are_alphabetical_by_the_studys_names() -> None:
    names = [one.name for one in preset("eu32").countries]
    studys = [name.replace("North Macedonia", "FYR Macedonia") for name in names]
    assert studys == sorted(studys, key=str.casefold)


def test_every_country_has_its_label_in_every_preset() -> None:
    for one in PRESETS.values():
        assert [one.codes.index(code) for code in one.codes] == list(range(len(one.codes)))


def test_europe_continues_after_eu32() -> None:
    codes = preset("europe").codes
    assert codes[:32] == preset("eu32").codes
    assert {"IE", "NO", "IS", "UA"} <= set(codes[32:])


def test_codes_are_unique() -> None:
    assert len({one.code for one in COUNTRIES}) == len(COUNTRIES)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownCountry, match="XX"):
        country("XX")
    with pytest.raises(InvalidInput, match="eu32, europe"):
        preset("asia")
