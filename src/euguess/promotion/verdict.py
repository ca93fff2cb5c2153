"""The rules of promotion: verdicts on candidates, from their tags and contests."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pydantic import Field

from euguess.errors import EUGuessError
from euguess.messages.records import (
    CountryCode,
    DatasetName,
    Interval,
    Record,
    Sha256,
)
from euguess.promotion.versions import RegisteredVersion


class NotComparable(EUGuessError):
    """The two models cannot be compared."""


class NewCountries(Record):
    """The challenger on new locations in countries that the champion cannot name."""

    countries: tuple[CountryCode, ...]
    places: int = Field(ge=0)
    accuracy: Interval | None = Field(description="None without a location")


class Contest(Record):
    """Challenger against champion on the same locations, which neither has seen.

    Top-1 accuracies over locations with all views fused, with 95 % bootstrap intervals; the
    difference is paired. Only locations in countries that both can name decide; each model is
    tested as it is served, so that it may answer with any country that it knows.
    """

    dataset: DatasetName
    manifest_digest: Sha256
    places: int = Field(ge=1)
    challenger: Interval
    champion: Interval
    difference: Interval = Field(description="Challenger minus champion")
    countries: tuple[CountryCode, ...] = Field(
        default=(), description="That both can name; empty in records that did not look at this"
    )
    new_countries: tuple[NewCountries, ...] = Field(
        default=(), description="At most one: what the challenger adds, which decides nothing"
    )
    left_out: dict[CountryCode, int] = Field(
        default_factory=dict,
        description="Locations new to both by country, for countries that neither can name",
    )


@dataclass(frozen=True)
class Verdict:
    """The decision whether a candidate becomes champion, with its reason."""

    is_promoted: bool
    reason: str
    contest: Contest | None = None


def leaky_verdict(candidate: RegisteredVersion) -> Verdict:
    """Refuse a version that was tested under a leaky split."""
    return Verdict(
        False,
        f"version {candidate.version} was tested under the leaky {candidate.protocol} split, "
        "which says nothing about new places",
    )


def uncertain_verdict(candidate: RegisteredVersion) -> Verdict:
    """Withhold the promotion of a version whose test may have had places of its training set."""
    return Verdict(
        False,
        f"version {candidate.version} is of photos whose places are unknown, so its test may leak "
        "and nothing shows how it does on new places; import the photos with a location_id for "
        "each place",
    )


def faulty_verdict(candidate: RegisteredVersion) -> Verdict:
    """Refuse a version that was trained with faults of the study."""
    faults = ", ".join(candidate.faults)
    return Verdict(
        False,
        f"version {candidate.version} was trained with faults of the study ({faults}), which are "
        "for comparison, not for serving",
    )


def first_verdict(candidate: RegisteredVersion) -> Verdict:
    """Promote the first champion, which has no rival."""
    return Verdict(True, f"version {candidate.version} is the first champion")


def judge(candidate: RegisteredVersion, champion: RegisteredVersion, contest: Contest) -> Verdict:
    """Promote when the 95 % interval of the difference lies above zero."""
    lead = contest.difference
    is_better = lead.low > 0
    result = "is better than" if is_better else "is not shown to be better than"
    return Verdict(
        is_better,
        f"version {candidate.version} {result} the champion, version {champion.version}: "
        f"{contest.challenger.value:.1%} against {contest.champion.value:.1%} of "
        f"{contest.places} places new to both, a difference of {points(lead)} points"
        f"{''.join(f'; {text}' for text in _beside(contest))}",
        contest,
    )


def missing_countries_verdict(
    candidate: RegisteredVersion, champion: RegisteredVersion
) -> Verdict | None:
    """Refuse a version that cannot name a country of the champion, before anything is measured.

    Returns None if it can name all of them, or if countries are not recorded.
    """
    missing = set(champion.countries) - set(candidate.countries)
    if not candidate.countries or not missing:
        return None
    return Verdict(False, f"version {candidate.version} {lacks_countries(missing)}")


def lacks_countries(missing: Collection[str]) -> str:
    """Say which of the champion's countries a challenger cannot name, and what to do."""
    return (
        f"cannot name {', '.join(sorted(missing))}, which the champion can; train it on a dataset "
        "with all of the champion's countries"
    )


def unequal_countries(candidate: RegisteredVersion, champion: RegisteredVersion) -> str:
    """Say what a measurement would decide by if the candidate names more countries, else ""."""
    new = set(candidate.countries) - set(champion.countries)
    if not champion.countries or not new:
        return ""
    return (
        f"version {candidate.version} also names {', '.join(sorted(new))}, which the champion "
        f"cannot: only places in the {len(champion.countries)} countries that both name will "
        "decide, and the others are reported apart"
    )


def _beside(contest: Contest) -> Iterator[str]:
    """Yield what was measured or left out beside the places that decide."""
    for new in contest.new_countries:
        share = f"{new.accuracy.value:.1%} of {new.places}" if new.accuracy else "no"
        yield (
            f"{share} places in {len(new.countries)} countries that the champion cannot name "
            f"({', '.join(new.countries)}) do not decide"
        )
    if contest.left_out:
        named = ", ".join(f"{code} {count}" for code, count in sorted(contest.left_out.items()))
        yield (
            f"{sum(contest.left_out.values())} places in countries that neither can name are left "
            f"out: {named}"
        )


def forced_verdict(verdict: Verdict) -> Verdict:
    """Promote regardless, and keep the reason against it."""
    if verdict.is_promoted:
        return verdict
    return Verdict(True, f"forced, although {verdict.reason}", verdict.contest)


def points(difference: Interval) -> str:
    """Format a difference of shares in percentage points, such as +4.5 [+1.0, +8.2]."""
    numbers = (difference.value, difference.low, difference.high)
    value, low, high = (f"{100 * number:+.1f}" for number in numbers)
    return f"{value} [{low}, {high}]"
