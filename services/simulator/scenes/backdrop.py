"""What is far away: sky, clouds, bare ground and skylines, as functions of direction."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.simulator.scenes.looks import Place
from services.simulator.scenes.solids import GROUND
from services.simulator.scenes.styles import RGB

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


def horizon_colour(place: Place) -> Floats:
    """Where the sky meets the land; far things fade to it."""
    sky = np.array(place.region.sky, dtype=np.float32)
    return sky + (HAZE_WHITE - sky) * (0.45 + 0.5 * place.look.haze)


def draw_backdrop(place: Place) -> Floats:
    """(ROWS, COLUMNS, 3) from zenith to nadir and north by east, before the look is applied."""
    chance = np.random.default_rng(place.seed)
    split = ROWS // 2
    sky = _sky(place, ELEVATIONS[:split], chance)
    return np.concatenate([sky, _land(place, ELEVATIONS[split:], chance)])


def draw_skylines(place: Place) -> tuple[Skyline, ...]:
    """Hills at the horizon and, before them, the edge of fields and woods."""
    chance = np.random.default_rng(place.seed + 1)
    haze = horizon_colour(place)
    foliage = np.array(place.region.foliage, dtype=np.float32)
    hills = place.style.relief * (0.55 + 0.45 * _ring(chance, waves=6))
    woods = (0.6 + 2.2 * place.region.wooded) * (0.5 + 0.5 * _ring(chance, waves=24))
    far_share, near_share = 0.72, 0.35 + 0.25 * place.look.haze
    return (
        Skyline(np.maximum(hills, 0.2), _rgb(foliage + (haze - foliage) * far_share)),
        Skyline(np.maximum(woods, 0.2), _rgb(foliage + (haze - foliage) * near_share)),
    )


def _sky(place: Place, elevations: Floats, chance: np.random.Generator) -> Floats:
    zenith = np.array(place.region.sky, dtype=np.float32)
    colour = horizon_colour(place) + (zenith - horizon_colour(place)) * (
        1 - np.exp(-elevations / 16)
    )
    cover = 1.6 * place.look.clouds - 0.3
    clouds = np.clip((_noise(chance, len(elevations)) + cover) * 1.4, 0, 1) * 0.85
    colour = colour + (CLOUD - colour) * clouds
    turn = np.abs((AZIMUTHS - place.look.sun_azimuth + 180) % 360 - 180)
    glow = np.exp(-((turn / 35) ** 2) - ((elevations - 30) / 30) ** 2)
    return np.asarray(colour + SUNLIGHT * glow * (1 - 0.8 * place.look.clouds))


def _land(place: Place, elevations: Floats, chance: np.random.Generator) -> Floats:
    """Grass and soil in patches, fading to haze with distance."""
    grass = np.array(place.region.grass, dtype=np.float32)
    soil = np.array(place.region.soil, dtype=np.float32)
    patches = np.clip(0.25 + 0.5 * _noise(chance, len(elevations)), 0, 1)
    distances_m = GROUND / np.tan(np.radians(elevations))
    fade = 1 - np.exp(-distances_m / (700 - 550 * place.look.haze))
    colour = grass + (soil - grass) * patches
    return np.asarray(colour + (horizon_colour(place) - colour) * fade * 0.8)


def _noise(chance: np.random.Generator, rows: int) -> Floats:
    """(rows, COLUMNS, 1) of smooth noise about within -1..1, continuous through north."""
    total = np.zeros((rows, COLUMNS), dtype=np.float32)
    for octave in (1, 2):
        grid = chance.normal(0, 0.5 / octave, (5 * octave, 10 * octave)).astype(np.float32)
        around = np.concatenate([grid, grid, grid], axis=1)
        smooth = Image.fromarray(around).resize((3 * COLUMNS, rows), Image.Resampling.BICUBIC)
        total += np.asarray(smooth)[:, COLUMNS : 2 * COLUMNS]
    return total[..., None]


def _ring(chance: np.random.Generator, *, waves: int) -> Floats:
    """Smooth noise about within -1..1 at SKYLINE_AZIMUTHS, continuous through north."""
    frequencies = np.arange(1, waves + 1)[:, None]
    phases = chance.uniform(0, 2 * np.pi, (waves, 1))
    heights = chance.normal(0, 1, (waves, 1)) / np.sqrt(waves)
    angles = np.radians(SKYLINE_AZIMUTHS)[None, :]
    return np.asarray((heights * np.sin(frequencies * angles + phases)).sum(axis=0), np.float32)


def _rgb(colour: Floats) -> RGB:
    red, green, blue = (round(float(channel)) for channel in colour)
    return red, green, blue
