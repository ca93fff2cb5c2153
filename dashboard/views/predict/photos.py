"""The photos to predict: uploaded ones, or those of a held-out location."""

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
from euguess.images.limited_decoder import DecoderPool
from euguess.messages.records import MAX_VIEWS
from euguess.messages.serving import ModelCard

PICTURE_SIDE = 320
PICTURE_WIDTH = 164  # pixels; two fit on a phone
EXAMPLE = "predict-example"  # session state: (version of the champion, location)


@dataclass(frozen=True)
class ChosenPhotos:
    """Encoded photos of one location, and its country code if known."""

    photos: tuple[bytes, ...]
    truth: str | None = None


def uploaded(connections: Connections) -> ChosenPhotos | None:
    """Return the uploaded files, unchecked: the model server rejects bad or too many photos."""
    files = st.file_uploader(
        f"1 to {MAX_VIEWS} photos of one place",
        accept_multiple_files=True,
        key="predict-files",
        help="Photos are sent to the model server only and are not stored.",
    )
    if not files:
        return None
    photos = tuple(file.getvalue() for file in files)
    _pictures(photos, connections)
    return ChosenPhotos(photos)


def example(connections: Connections) -> ChosenPhotos | None:
    """Return the photos of a held-out location of the champion's dataset. Raises EUGuessError."""
    card = read_champion(connections.registry)
    if card is None:
        command = "euguess train demo --recipe experiments/demo.toml --promote"
        empty_state("No model to query yet. Train and promote one:", command)
        return None
    is_new_requested = st.button("Another example", icon=":material/shuffle:")
    kept = st.session_state.get(EXAMPLE)
    if is_new_requested or kept is None or kept[0] != card.version:
        kept = st.session_state[EXAMPLE] = (card.version, _drawn(card, connections))
    location: HeldOutLocation | None = kept[1]
    if location is None:
        command = f"euguess train {card.dataset} --recipe experiments/demo.toml --promote"
        empty_state("The model has seen every place. Train one with held-out places:", command)
        return None
    photos = tuple(read_photos(connections.store, location.keys))
    _pictures(photos, connections)
    facts = (location.attribution, location.license, location.location_id)
    st.caption(f"Held out from training: {' · '.join(plain(text) for text in facts)}")
    return ChosenPhotos(photos, location.country_code)


def _drawn(card: ModelCard, connections: Connections) -> HeldOutLocation | None:
    seen = read_seen(connections.registry, card.version)
    if seen is None:
        return None
    codes = {country.country_code for country in card.countries}
    views = held_out(read_contents(connections.store, card.dataset), seen, codes)
    locations = draw_locations(views, random.SystemRandom(), is_with_all_views=True, count=1)
    return locations[0] if locations else None


def _pictures(photos: tuple[bytes, ...], connections: Connections) -> None:
    with st.container(horizontal=True):
        for number, photo in enumerate(photos, start=1):
            data = _picture(connections.decoders, photo)
            if data is None:
                st.warning(f"View {number} cannot be shown.", width=PICTURE_WIDTH)
            else:
                st.image(data, caption=f"View {number}", width=PICTURE_WIDTH)


@st.cache_data(max_entries=64, show_spinner=False)
def _picture(_decoders: DecoderPool, photo: bytes) -> bytes | None:
    return picture(_decoders, photo, PICTURE_SIDE)
