"""The appearance of one location: most of its country's cues, under conditions of its own.

Both parts shape what a classifier can learn. The cues tell the country but are unreliable, so that
new locations are hard. The conditions (exposure, tint, weather, season) are shared by all views of
a location and say nothing about its country, so that a split by image leaks.

Measured with 8 countries x 40 locations x 3 views at 64 pixels and a network of three convolutions
(25 epochs, AdamW, no augmentation, mean of three runs; chance is 12.5 %): 62 % with the split by
image, 42 % with the split by location; on 320 new locations 46 % with one view and 51 % with
three. A fidelity of 0.65 with a tint of 0.07 gives 66, 51, 52 and 57 %; 0.75 with 0.06 gave a
larger network 75, 60, 63 and 69 % in one run.
"""

import math
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from services.simulator.scenes.cues import CUE_PALETTES, REGIONS, RGB, Cues, Region, cues_of
from services.simulator.world import Panorama

CUE_FIDELITY = 0.6  # probability that a location has its country's value of a cue
TINT_SIGMA = 0.08
MIDDLE_GREY = 118.0  # 18 % reflectance in sRGB
MIN_LATITUDE, MAX_LATITUDE = 35.0, 70.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """Weather, season and camera. gains are per channel; the others are factors or shares."""

    gains: tuple[float, float, float]
    saturation: float
    contrast: float
    clouds: float
    haze: float
    autumn: float
    sun_azimuth: float

    def apply(self, colours: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return colours (..., 3) of 0..255 as the camera records them, as floats."""
        gains = np.array(self.gains, dtype=np.float32)
        # One matrix scales distances from grey (saturation) and from the middle (contrast).
        to_grey = np.full((3, 3), (1 - self.saturation) / 3, dtype=np.float32)
        matrix = (to_grey + np.eye(3, dtype=np.float32) * self.saturation) * self.contrast * gains
        return np.asarray(colours @ matrix + MIDDLE_GREY * (1 - self.contrast) * gains)


@dataclass(frozen=True, slots=True)
class Appearance:
    """Everything that determines a scene; the seed feeds its random details."""

    seed: int
    cues: Cues
    region: Region
    conditions: Conditions
    road_azimuth: float
    bend: float
    is_village: bool


def appearance_of(panorama: Panorama, world_seed: int) -> Appearance:
    """Draw the appearance of a panorama; it depends on nothing but the panorama and the seed."""
    random = Random(f"{world_seed} {panorama.pano_id}")
    cues = _with_noise(cues_of(panorama.country_code), random)
    conditions = _draw_conditions(random)
    return Appearance(
        seed=random.getrandbits(63),
        cues=cues,
        region=_at_latitude(REGIONS[cues.region], abs(panorama.coordinate.lat), conditions, random),
        conditions=conditions,
        road_azimuth=random.uniform(0, 360),
        bend=random.gauss(0, 3e-4),
        is_village=random.random() < 0.55,
    )


def _with_noise(cues: Cues, random: Random) -> Cues:
    """Replace the values of some cues, but never the driving side, which is the law."""
    others = {
        name: random.choice(values)
        for name, values in CUE_PALETTES.items()
        if random.random() > CUE_FIDELITY
    }
    return replace(cues, **others, relief=cues.relief * math.exp(random.gauss(0, 0.5)))


def _draw_conditions(random: Random) -> Conditions:
    exposure = math.exp(random.gauss(0, 0.12))
    gains = [exposure * math.exp(random.gauss(0, TINT_SIGMA)) for _ in range(3)]
    return Conditions(
        gains=(gains[0], gains[1], gains[2]),
        saturation=math.exp(random.gauss(0, 0.25)),
        contrast=math.exp(random.gauss(0, 0.12)),
        clouds=random.random(),
        haze=random.random(),
        autumn=random.random() ** 2,
        sun_azimuth=random.uniform(0, 360),
    )


def _at_latitude(region: Region, lat: float, conditions: Conditions, random: Random) -> Region:
    """Adapt colours to the latitude: northern skies are paler, northern autumns redder."""
    north = min(1.0, max(0.0, (lat - MIN_LATITUDE) / (MAX_LATITUDE - MIN_LATITUDE)))
    autumn = (150, 120 - 30 * north, 60)
    return replace(
        region,
        grass=_mixed(_jittered(region.grass, random), (160, 146, 96), 0.5 * conditions.autumn),
        soil=_jittered(region.soil, random),
        foliage=_mixed(_jittered(region.foliage, random), autumn, 0.6 * conditions.autumn),
        sky=_mixed(_jittered(region.sky, random), (150, 178, 204), 0.5 * north),
    )


def _jittered(colour: RGB, random: Random) -> RGB:
    red, green, blue = (round(channel + random.gauss(0, 9)) for channel in colour)
    return red, green, blue


def _mixed(colour: RGB, other: tuple[float, float, float], share: float) -> RGB:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue
