"""What one place looks like: its country's cues, some replaced, under a light of its own.

Both halves matter to what a classifier can learn. The cues carry the country and are unreliable,
so that new places are hard. The light (exposure, tint, weather, season) is shared by all headings
of a place and says nothing about the country, so that a split over images leaks.

Measured with 8 countries x 40 places x 3 views at 64 pixels and a network of three convolutions
(25 epochs, AdamW, no augmentation, mean of three trainings; chance is 12.5 %): 62 % under the split
over images, 42 % under the one over places; on 320 further places 46 % with one view and 51 % with
three. A fidelity of 0.65 with a tint of 0.07 gives 66, 51, 52 and 57 %; 0.75 with 0.06 gave a
larger network 75, 60, 63 and 69 % in one training.
"""

import math
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from services.simulator.scenes.styles import CUE_PALETTES, REGIONS, RGB, Region, Style, style_of
from services.simulator.world import Panorama

CUE_FIDELITY = 0.6  # probability that a place shows its country's value of a cue
TINT_SIGMA = 0.08
MIDDLE_GREY = 118.0  # 18 % reflectance in sRGB
MIN_LATITUDE, MAX_LATITUDE = 35.0, 70.0


@dataclass(frozen=True, slots=True)
class Look:
    """Light and camera of a place. gains are per channel; the others are shares around 1 or 0."""

    gains: tuple[float, float, float]
    saturation: float
    contrast: float
    clouds: float
    haze: float
    autumn: float
    sun_azimuth: float

    def apply(self, colours: NDArray[np.float32]) -> NDArray[np.float32]:
        """Colours (..., 3) of 0..255 as the camera shows them, still floats."""
        gains = np.array(self.gains, dtype=np.float32)
        # Away from grey by the saturation, from the middle by the contrast: one matrix for both.
        to_grey = np.full((3, 3), (1 - self.saturation) / 3, dtype=np.float32)
        matrix = (to_grey + np.eye(3, dtype=np.float32) * self.saturation) * self.contrast * gains
        return np.asarray(colours @ matrix + MIDDLE_GREY * (1 - self.contrast) * gains)


@dataclass(frozen=True, slots=True)
class Place:
    """Everything that a place's scene is drawn from; seed feeds what is left to chance."""

    seed: int
    style: Style
    region: Region
    look: Look
    road_azimuth: float
    bend: float
    is_village: bool

    @property
    def drives_left(self) -> bool:
        return self.style.side == "left"


def place_of(panorama: Panorama, world_seed: int) -> Place:
    """The same place for the same panorama of the same world."""
    random = Random(f"{world_seed} {panorama.pano_id}")
    style = _with_noise(style_of(panorama.country_code), random)
    look = _draw_look(random)
    return Place(
        seed=random.getrandbits(63),
        style=style,
        region=_at_latitude(REGIONS[style.region], abs(panorama.coordinate.lat), look, random),
        look=look,
        road_azimuth=random.uniform(0, 360),
        bend=random.gauss(0, 3e-4),
        is_village=random.random() < 0.55,
    )


def _with_noise(style: Style, random: Random) -> Style:
    """Another value for some cues. The driving side is the law and stays."""
    others = {
        name: random.choice(values)
        for name, values in CUE_PALETTES.items()
        if random.random() > CUE_FIDELITY
    }
    return replace(style, **others, relief=style.relief * math.exp(random.gauss(0, 0.5)))


def _draw_look(random: Random) -> Look:
    exposure = math.exp(random.gauss(0, 0.12))
    gains = [exposure * math.exp(random.gauss(0, TINT_SIGMA)) for _ in range(3)]
    return Look(
        gains=(gains[0], gains[1], gains[2]),
        saturation=math.exp(random.gauss(0, 0.25)),
        contrast=math.exp(random.gauss(0, 0.12)),
        clouds=random.random(),
        haze=random.random(),
        autumn=random.random() ** 2,
        sun_azimuth=random.uniform(0, 360),
    )


def _at_latitude(region: Region, lat: float, look: Look, random: Random) -> Region:
    """The north is paler and greener above, and its autumns are redder."""
    north = min(1.0, max(0.0, (lat - MIN_LATITUDE) / (MAX_LATITUDE - MIN_LATITUDE)))
    autumn = (150, 120 - 30 * north, 60)
    return replace(
        region,
        grass=_mixed(_jittered(region.grass, random), (160, 146, 96), 0.5 * look.autumn),
        soil=_jittered(region.soil, random),
        foliage=_mixed(_jittered(region.foliage, random), autumn, 0.6 * look.autumn),
        sky=_mixed(_jittered(region.sky, random), (150, 178, 204), 0.5 * north),
    )


def _jittered(colour: RGB, random: Random) -> RGB:
    red, green, blue = (round(channel + random.gauss(0, 9)) for channel in colour)
    return red, green, blue


def _mixed(colour: RGB, other: tuple[float, float, float], share: float) -> RGB:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue
