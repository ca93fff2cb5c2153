"""The photos to ask the model about: a person's own, or a place that it has not learnt from."""

import random
from dataclasses import dataclass

import streamlit as st

from dashboard.connections import Connections
from dashboard.game.rules import HeldOutLocation, draw_locations, held_out
from dashboard.notices import empty_state
from dashboard.sources.manifests import read_contents
from dashboard.sources.photos import picture, read_photos
from dashboard.sources.versions import read_champion, read_seen
from dashboard.text import plain
from euguess.messages.records import MAX_VIEWS
from euguess.messages.serving import ModelCard

PICTURE_SIDE = 320
PICTURE_WIDTH = 164  # pixels; two fit a phone
DRAWN = "predict-example"  # (version of the champion, its place)


@dataclass(frozen=True)
class ChosenPhotos:
    """Encoded photos of one place, and where it is if that is known."""

    photos: tuple[bytes, ...]
    truth: str | None = None


def uploaded() -> ChosenPhotos | None:
    """Whatever was uploaded: what is no photo, or too many, the model server refuses itself."""
    files = st.file_uploader(
        f"Photos of one place, 1 to {MAX_VIEWS}",
        accept_multiple_files=True,
        key="predict-files",
        help="They go to the model server alone and are not stored.",
    )
    if not files:
        return None
    photos = tuple(file.getvalue() for file in files)
    _pictures(photos)
    return ChosenPhotos(photos)


def example(connections: Connections) -> ChosenPhotos | None:
    """A place of the champion's dataset that it has not seen. Raises EUGuessError."""
    card = read_champion(connections.registry)
    if card is None:
        command = "euguess train demo --recipe experiments/demo.toml --promote"
        empty_state("There is no model to ask yet. Train one:", command)
        return None
    is_another = st.button("Another example", icon=":material/shuffle:")
    kept = st.session_state.get(DRAWN)
    if is_another or kept is None or kept[0] != card.version:
        kept = st.session_state[DRAWN] = (card.version, _drawn(card, connections))
    location: HeldOutLocation | None = kept[1]
    if location is None:
        command = f"euguess train {card.dataset} --recipe experiments/demo.toml --promote"
        empty_state("The model has seen every place. Train one that holds some out:", command)
        return None
    photos = tuple(read_photos(connections.store, location.keys))
    _pictures(photos)
    owed = (location.attribution, location.license, location.location_id)
    st.caption(f"Held out from training: {' · '.join(plain(text) for text in owed)}")
    return ChosenPhotos(photos, location.country_code)


def _drawn(card: ModelCard, connections: Connections) -> HeldOutLocation | None:
    seen = read_seen(connections.registry, card.version)
    if seen is None:
        return None
    codes = {country.country_code for country in card.countries}
    views = held_out(read_contents(connections.store, card.dataset), seen, codes)
    locations = draw_locations(views, random.SystemRandom(), is_with_all_views=True, count=1)
    return locations[0] if locations else None


def _pictures(photos: tuple[bytes, ...]) -> None:
    with st.container(horizontal=True):
        for number, photo in enumerate(photos, start=1):
            data = _picture(photo)
            if data is None:
                st.warning(f"View {number} cannot be shown.", width=PICTURE_WIDTH)
            else:
                st.image(data, caption=f"View {number}", width=PICTURE_WIDTH)


@st.cache_data(max_entries=64, show_spinner=False)
def _picture(photo: bytes) -> bytes | None:
    return picture(photo, PICTURE_SIDE)
