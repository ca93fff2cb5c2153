"""Visual cues of each country, as a table, and the palettes that the table refers to.

The cues are those that players of geography games use (lines, poles, roofs, signs, plates). The
values are simplified for the simulation; they are no reference.
"""

import hashlib
from dataclasses import dataclass, fields
from functools import lru_cache

RGB = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Region:
    """Colours of land and sky, kinds of trees, and the density of woods (0..1)."""

    grass: RGB
    soil: RGB
    foliage: RGB
    trees: tuple[str, ...]
    wooded: float
    sky: RGB


@dataclass(frozen=True, slots=True)
class Line:
    """A road marking; a gap_m of 0 means a solid line, a dash_m of 0 no line."""

    colour: RGB
    dash_m: float
    gap_m: float
    is_double: bool = False


WHITE, YELLOW = (235, 235, 228), (226, 182, 46)

REGIONS = {
    "atlantic": Region(
        (92, 136, 58), (104, 96, 76), (62, 104, 48), ("broadleaf", "hedge"), 0.5, (124, 156, 196)
    ),
    "oceanic": Region(
        (118, 142, 72), (136, 122, 92), (78, 112, 54), ("broadleaf", "poplar"), 0.4, (116, 158, 208)
    ),
    "boreal": Region(
        (104, 118, 66), (126, 116, 98), (40, 72, 46), ("conifer", "birch"), 0.9, (138, 172, 206)
    ),
    "continental": Region(
        (136, 146, 74), (140, 120, 84), (84, 116, 52), ("broadleaf", "birch"), 0.5, (122, 168, 212)
    ),
    "alpine": Region(
        (98, 148, 66), (120, 114, 100), (48, 88, 52), ("conifer", "broadleaf"), 0.6, (96, 150, 216)
    ),
    "mediterranean": Region(
        (164, 148, 92), (184, 150, 106), (92, 104, 62), ("olive", "cypress"), 0.35, (84, 146, 224)
    ),
    "balkan": Region(
        (142, 142, 80), (152, 128, 94), (76, 102, 52), ("broadleaf", "poplar"), 0.5, (104, 156, 216)
    ),
    "tundra": Region((124, 128, 84), (88, 84, 82), (96, 110, 66), ("shrub",), 0.1, (150, 174, 200)),
    "anatolian": Region(
        (172, 154, 104), (180, 152, 118), (104, 112, 66), ("poplar", "shrub"), 0.2, (98, 154, 222)
    ),
}
ASPHALTS = {
    "dark": (74, 74, 78),
    "grey": (108, 108, 110),
    "pale": (146, 143, 138),
    "warm": (126, 112, 104),
}
LINES = {
    "none": Line(WHITE, 0, 0),
    "long": Line(WHITE, 6, 4),
    "short": Line(WHITE, 2.5, 5),
    "solid": Line(WHITE, 1, 0),
    "double": Line(WHITE, 1, 0, is_double=True),
    "yellow": Line(YELLOW, 1, 0),
    "yellow-long": Line(YELLOW, 6, 4),
}
POLES = {"wood": (106, 84, 62), "concrete": (178, 174, 166), "steel": (128, 134, 140)}
ROOFS = {  # colour and pitch in degrees
    "terracotta": ((186, 104, 70), 22.0),
    "orange": ((206, 112, 62), 38.0),
    "red": ((158, 66, 54), 42.0),
    "brown": ((112, 78, 60), 40.0),
    "slate": ((82, 86, 96), 44.0),
    "tin": ((134, 142, 148), 26.0),
    "green": ((84, 112, 92), 34.0),
    "flat": ((196, 190, 180), 3.0),
}
WALLS = {
    "white": (232, 230, 222),
    "cream": (226, 212, 178),
    "brick": (158, 92, 72),
    "ochre": (212, 172, 106),
    "falun": (142, 54, 44),
    "grey": (168, 166, 160),
    "yellow": (224, 196, 112),
    "stone": (178, 164, 140),
}
SIGNS = {
    "white": (236, 236, 232),
    "yellow": (238, 198, 44),
    "blue": (36, 82, 168),
    "green": (24, 112, 72),
}
PLATES = {"white": (236, 236, 236), "yellow": (238, 196, 40)}


@dataclass(frozen=True, slots=True)
class Cues:
    """One country's value of each cue, by its name in the palettes; relief in degrees."""

    region: str
    side: str
    asphalt: str
    centre: str
    edge: str
    pole: str
    roof: str
    wall: str
    sign: str
    plate: str
    relief: float


CUE_PALETTES = {
    "region": tuple(REGIONS),
    "asphalt": tuple(ASPHALTS),
    "centre": tuple(LINES),
    "edge": ("none", "solid", "short", "yellow"),
    "pole": tuple(POLES),
    "roof": tuple(ROOFS),
    "wall": tuple(WALLS),
    "sign": tuple(SIGNS),
    "plate": tuple(PLATES),
}

_TABLE = """
AD alpine        right dark short       solid concrete slate      stone  white  white  9
AL mediterranean right warm solid       none  concrete terracotta ochre  blue   white  7
AT alpine        right grey short       solid wood     brown      white  blue   white  8
BA balkan        right pale solid       none  wood     orange     grey   yellow white  6
BE oceanic       right pale long        solid concrete slate      brick  blue   white  1
BG balkan        right warm solid       solid concrete orange     cream  green  white  4
BY continental   right grey short       solid concrete tin        yellow blue   white  1
CH alpine        right dark solid       none  steel    brown      cream  blue   white  10
CY mediterranean left  pale solid       solid wood     flat       white  green  yellow 5
CZ continental   right warm short       solid concrete orange     yellow yellow white  3
DE oceanic       right grey short       solid steel    red        white  yellow white  2
DK oceanic       right dark short       short steel    slate      brick  blue   white  1
EE boreal        right grey long        solid wood     tin        yellow blue   white  1
ES mediterranean right grey short       solid concrete terracotta cream  white  white  5
FI boreal        right pale yellow-long none  wood     tin        falun  blue   white  1
FO tundra        right dark short       none  steel    green      falun  white  white  8
FR oceanic       right warm long        short concrete terracotta stone  green  white  3
GB atlantic      left  dark short       short wood     slate      brick  green  yellow 2
GI mediterranean right grey double      none  steel    flat       cream  green  yellow 9
GR mediterranean right pale double      none  wood     flat       white  blue   white  7
HR mediterranean right grey solid       none  concrete orange     ochre  yellow white  5
HU continental   right pale short       solid wood     brown      yellow green  white  1
IE atlantic      left  warm yellow-long yellow wood    slate      white  green  white  3
IM atlantic      left  dark double      none  wood     slate      stone  white  yellow 4
IS tundra        right dark short       solid steel    tin        white  yellow white  9
IT mediterranean right dark solid       solid steel    terracotta ochre  white  white  6
LI alpine        right grey long        none  steel    brown      white  blue   white  11
LT boreal        right grey short       none  concrete red        grey   blue   white  1
LU oceanic       right dark short       none  steel    slate      cream  yellow yellow 3
LV boreal        right warm short       none  wood     slate      grey   blue   white  1
MC mediterranean right dark double      none  steel    flat       ochre  blue   white  12
MD continental   right pale none        none  concrete tin        grey   blue   white  2
ME balkan        right pale long        none  wood     red        stone  yellow white  10
MK balkan        right warm long        none  wood     terracotta grey   yellow white  8
MT mediterranean left  pale none        none  wood     flat       ochre  white  white  2
NL oceanic       right warm none        short steel    orange     brick  blue   yellow 0.5
NO boreal        right dark yellow-long short wood     slate      falun  yellow white  10
PL continental   right dark long        none  concrete red        grey   green  white  1
PT mediterranean right warm double      solid concrete orange     white  white  white  4
RO balkan        right grey double      solid concrete red        yellow blue   white  3
RS balkan        right dark solid       none  wood     orange     cream  yellow white  3
RU continental   right dark solid       solid concrete green      grey   blue   white  1
SE boreal        right grey short       short steel    orange     falun  blue   white  2
SI alpine        right grey solid       solid wood     orange     cream  yellow white  7
SK continental   right grey long        solid concrete brown      ochre  green  white  5
SM mediterranean right dark solid       none  steel    terracotta stone  blue   white  8
TR anatolian     right pale double      solid steel    terracotta yellow green  white  6
UA continental   right warm solid       none  concrete green      white  blue   white  1
VA mediterranean right dark none        none  steel    terracotta ochre  white  white  2
XK balkan        right dark double      none  concrete red        brick  yellow white  7
"""


def _read(row: str) -> tuple[str, Cues]:
    code, *names, relief = row.split()
    columns = [field.name for field in fields(Cues)][:-1]
    cues = dict(zip(columns, names, strict=True))
    return code, Cues(**cues, relief=float(relief))


CUES = dict(_read(row) for row in _TABLE.strip().splitlines())


@lru_cache(maxsize=512)
def cues_of(country_code: str) -> Cues:
    """Return a country's cues; other codes get cues by their hash."""
    if country_code in CUES:
        return CUES[country_code]
    digest = hashlib.blake2b(country_code.encode(), digest_size=len(fields(Cues))).digest()
    choices = {
        name: values[byte % len(values)]
        for (name, values), byte in zip(CUE_PALETTES.items(), digest, strict=False)
    }
    return Cues(**choices, side="right", relief=digest[-1] / 25.6)
