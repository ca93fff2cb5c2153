"""A colour-blind safe palette: Okabe and Ito, Color Universal Design (2008)."""

BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#F0E442"
ORANGE, VERMILLION, PURPLE = "#E69F00", "#D55E00", "#CC79A7"
GREY = "#8C96A0"  # readable on light and on dark
OKABE_ITO = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, YELLOW)
# For maps, where many countries lie side by side: four more that differ in lightness too.
MAP_COLOURS = (*OKABE_ITO, "#7B3294", "#8C510A", "#B8E186", "#F4A6A6")


def rgb(colour: str) -> list[int]:
    """Convert #RRGGBB to three numbers."""
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
