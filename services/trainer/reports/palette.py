"""Colours of all plots and pages: the colour-blind-safe palette of Okabe and Ito."""

BLUE, VERMILLION, GREEN, PINK, ORANGE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"
GREY, GRID = "#777777", "#e5e5e5"
SERIES = (BLUE, VERMILLION, GREEN, PINK, ORANGE)
