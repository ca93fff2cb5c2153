"""Country codes by the names that people give to folders: codes, English and local names."""

import re
import unicodedata

from euguess.geography.countries import COUNTRIES

# ISO 3166-1 alpha-2: alpha-3, other codes in use, and names besides the English one. A name that
# may mean something else (Georgia, Czechoslovakia) is left out.
_NAMES = """
AL: ALB, Shqiperia, Albanie, Albanien
AT: AUT, Osterreich, Oesterreich, Autriche
BE: BEL, Belgie, Belgique, Belgien
BA: BIH, Bosnia, Bosna i Hercegovina, Bosnia-Herzegovina, Bosnia & Herzegovina, Bosnien, Bosnie
BG: BGR, BUL, Balgariya, Bulgarie, Bulgarien, България
HR: HRV, CRO, Hrvatska, Croatie, Kroatien
CZ: CZE, Czechia, Cesko, Ceska republika, Tschechien, Tchequie
DK: DNK, DEN, Danmark, Danemark
EE: EST, Eesti, Estonie, Estland
FI: FIN, Suomi, Finlande, Finnland
FR: FRA, Frankreich, Francia
MK: MKD, Macedonia, FYR Macedonia, FYROM, Severna Makedonija, Nordmazedonien, Македонија
DE: DEU, GER, Deutschland, Allemagne, Alemania, Germania
GB: GBR, UK, United Kingdom, Britain, England, Scotland, Wales, Northern Ireland, Royaume-Uni
GR: GRC, GRE, EL, Hellas, Ellada, Greek Republic, Grece, Griechenland, Ελλάδα
HU: HUN, Magyarorszag, Hongrie, Ungarn
IT: ITA, Italia, Italie, Italien
LV: LVA, LAT, Latvija, Lettonie, Lettland
LT: LTU, Lietuva, Lituanie, Litauen
LU: LUX, Letzebuerg, Luxemburg
ME: MNE, Crna Gora
NL: NLD, NED, Nederland, The Netherlands, Holland, Pays-Bas, Niederlande
PL: POL, Polska, Pologne, Polen
PT: PRT, POR
RO: ROU, Roumanie, Rumanien, Rumania
RS: SRB, Srbija, Serbie, Serbien, Србија
SK: SVK, Slovensko, Slovak Republic, Slovaquie, Slowakei
SI: SVN, SLO, Slovenija, Slovenie, Slowenien
ES: ESP, Espana, Espagne, Spanien
SE: SWE, Sverige, Suede, Schweden
CH: CHE, SUI, Schweiz, Suisse, Svizzera, Svizra
TR: TUR, Turkiye, Turquie, Turkei
AD: AND
CY: CYP, Kypros, Kibris, Chypre, Zypern
IS: ISL, Islande
IE: IRL, Eire, Irlande, Irland, Republic of Ireland
LI: LIE
MT: MLT, Malte
MD: MDA, Republic of Moldova, Moldavie, Moldawien
NO: NOR, Norge, Noreg, Norvege, Norwegen
SM: SMR
UA: UKR, Ukraina, Ukrayina, Ukrainia, Україна
"""


def country_named(text: str) -> str | None:
    """Return the code of the country that a name or code means, or None.

    Case, accents, a leading number ("01 France") and "_", "-" or "." for a space do not matter.
    """
    return _CODES.get(_plain(text))


def is_plain_word(text: str) -> bool:
    """Return True for two small letters, which may be a word: no, at, is, me."""
    return len(text) == 2 and text.islower()


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    words = re.sub(r"[\s_.\-]+", " ", bare).strip()
    return re.sub(r"^(\d+ )?(the )?", "", words)


def _codes() -> dict[str, str]:
    found = {_plain(name): one.code for one in COUNTRIES for name in (one.code, one.name)}
    for line in _NAMES.strip().splitlines():
        code, _, names = line.partition(": ")
        found |= {_plain(name): code for name in names.split(", ")}
    return found


_CODES = _codes()
