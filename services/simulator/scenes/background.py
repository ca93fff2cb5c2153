"""Distant parts of a scene, by direction: sky, clouds, bare ground and skylines."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.simulator.scenes.appearance import Appearance
from services.simulator.scenes.cues import RGB
from services.simulator.scenes.polygons import GROUND

Floats = NDArray[np.float32]

ROWS, COLUMNS = 90, 180  # two degrees each
ELEVATIONS = np.linspace(89, -89, ROWS, dtype=np.float32)[:, None, None]
AZIMUTHS = np.linspace(0, 360, COLUMNS, endpoint=False, dtype=np.float32)[None, :, None]
HAZE_WHITE = np.array((226, 228, 228), dtype=np.float32)
CLOUD = np.array((214, 216, 220), dtype=np.float32)
SUNLIGHT = np.array((60, 52, 34), dtype=np.float32)
SKYLINE_AZIMUTHS = np.arange(0, 360, 3, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Skyline:
    """A ridge: its height in degrees at SKYLINE_AZIMUTHS, and its colour."""

    elevations: Floats
    colour: RGB


def horizon_colour(appearance: Appearance) -> Floats:
    """Return the colour at the horizon, to which distant objects fade."""
    sky = np.array(appearance.region.sky, dtype=np.float32)
    return sky + (HAZE_WHITE - sky) * (0.45 + 0.5 * appearance.conditions.haze)


def draw_background(appearance: Appearance) -> Floats:
    """Draw (ROWS, COLUMNS, 3) from zenith to nadir and from north eastwards.

    The colours are those before the conditions are applied.
    """
    chance = np.random.default_rng(appearance.seed)
    split = ROWS // 2
    sky = _sky(appearance, ELEVATIONS[:split], chance)
    return np.concatenate([sky, _land(appearance, ELEVATIONS[split:], chance)])


def draw_skylines(appearance: Appearance) -> tuple[Skyline, ...]:
    """Draw hills at the horizon and, in front of them, the edge of fields and woods."""
    chance = np.random.default_rng(appearance.seed + 1)
    haze = horizon_colour(appearance)
    foliage = np.array(appearance.region.foliage, dtype=np.float32)
    hills = appearance.cues.relief * (0.55 + 0.45 * _ring(chance, waves=6))
    woods = (0.6 + 2.2 * appearance.region.wooded) * (0.5 + 0.5 * _ring(chance, waves=24))
    far_share, near_share = 0.72, 0.35 + 0.25 * appearance.conditions.haze
    return (
        Skyline(np.maximum(hills, 0.2), _rgb(foliage + (haze - foliage) * far_share)),
        Skyline(np.maximum(woods, 0.2), _rgb(foliage + (haze - foliage) * near_share)),
    )


def _sky(appearance: Appearance, elevations: Floats, chance: np.random.Generator) -> Floats:
    zenith = np.array(appearance.region.sky, dtype=np.float32)
    colour = horizon_colour(appearance) + (zenith - horizon_colour(appearance)) * (
        1 - np.exp(-elevations / 16)
    )
    cover = 1.6 * appearance.conditions.clouds - 0.3
    clouds = np.clip((_noise(chance, len(elevations)) + cover) * 1.4, 0, 1) * 0.85
    colour = colour + (CLOUD - colour) * clouds
    turn = np.abs((AZIMUTHS - appearance.conditions.sun_azimuth + 180) % 360 - 180)
    glow = np.exp(-((turn / 35) ** 2) - ((elevations - 30) / 30) ** 2)
    return np.asarray(colour + SUNLIGHT * glow * (1 - 0.8 * appearance.conditions.clouds))


def _land(appearance: Appearance, elevations: Floats, chance: np.random.Generator) -> Floats:
    """Draw patches of grass and soil that fade into haze with distance."""
    grass = np.array(appearance.region.grass, dtype=np.float32)
    soil = np.array(appearance.region.soil, dtype=np.float32)
    patches = np.clip(0.25 + 0.5 * _noise(chance, len(elevations)), 0, 1)
    distances_m = GROUND / np.tan(np.radians(elevations))
    fade = 1 - np.exp(-distances_m / (700 - 550 * appearance.conditions.haze))
    colour = grass + (soil - grass) * patches
    return np.asarray(colour + (horizon_colour(appearance) - colour) * fade * 0.8)


def _noise(chance: np.random.Generator, rows: int) -> Floats:
    """Draw (rows, COLUMNS, 1) of smooth noise, roughly within -1..1 and continuous at north."""
    total = np.zeros((rows, COLUMNS), dtype=np.float32)
    for octave in (1, 2):
        grid = chance.normal(0, 0.5 / octave, (5 * octave, 10 * octave)).astype(np.float32)
        around = np.concatenate([grid, grid, grid], axis=1)
        smooth = Image.fromarray(around).resize((3 * COLUMNS, rows), Image.Resampling.BICUBIC)
        total += np.asarray(smooth)[:, COLUMNS : 2 * COLUMNS]
    return total[..., None]


def _ring(chance: np.random.Generator, *, waves: int) -> Floats:
    """Draw smooth noise at SKYLINE_AZIMUTHS, roughly within -1..1 and continuous at north."""
    frequencies = np.arange(1, waves + 1)[:, None]
    phases = chance.uniform(0, 2 * np.pi, (waves, 1))
    heights = chance.normal(0, 1, (waves, 1)) / np.sqrt(waves)
    angles = np.radians(SKYLINE_AZIMUTHS)[None, :]
    return np.asarray((heights * np.sin(frequencies * angles + phases)).sum(axis=0), np.float32)


def _rgb(colour: Floats) -> RGB:
    red, green, blue = (round(float(channel)) for channel in colour)
    return red, green, blue
