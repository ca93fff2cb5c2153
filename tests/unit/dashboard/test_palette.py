"""Colours as colour-blind people see them."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from dashboard.charts.collection import STATUS_COLOURS
from dashboard.charts.dataset import SERIES
from dashboard.charts.figures import HONESTY_STYLES, STUDY_STYLES
from dashboard.charts.palette import OKABE_ITO, rgb
from dashboard.views.dataset.page import USE_COLOURS

Array = npt.NDArray[np.float64]

# On linear RGB, of people who lack one kind of cone: Machado, Oliveira and Fernandes, "A
# Physiologically-based Model for Simulation of Color Vision Deficiency" (2009), severity 1.0.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# From linear sRGB to CIE XYZ and its white, D65: IEC 61966-2-1.
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ @ np.ones(3)
# Six times the just noticeable CIE 1976 difference of Mahy, Van Eycken and Oosterlinck (1994).
APART = 6 * 2.3


def seen_lab(colour: str, vision: str) -> Array:
    """Return a colour in CIE L*a*b* as seen with a kind of colour vision."""
    share = np.array(rgb(colour)) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    ratio = TO_XYZ @ np.clip(VISIONS[vision] @ linear, 0, 1) / WHITE
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def least_difference(colours: list[str], vision: str) -> float:
    seen = [seen_lab(colour, vision) for colour in colours]
    return min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2))


@pytest.mark.parametrize("vision", VISIONS)
def test_adjacent_colours_are_distinguishable(vision: str) -> None:
    styles = (STUDY_STYLES, HONESTY_STYLES)
    kinds = [[colour for colour, _ in style.values()] for style in styles]
    kinds += [list(meaning.values()) for meaning in (STATUS_COLOURS, SERIES, USE_COLOURS)]
    for colours in (list(OKABE_ITO), *kinds):
        assert least_difference(colours, vision) > APART


def test_red_and_green_of_equal_lightness_are_not_distinguishable() -> None:
    pair = ["#CC6666", "#8C8C4C"]
    assert least_difference(pair, "normal") > APART
    assert least_difference(pair, "deuteranopia") < APART
