"""Rules and audit of promotions."""

from dataclasses import dataclass, field, replace

import pytest

from euguess.errors import InvalidInput
from euguess.promotion.audit import AuditEntry, Decision, recorded_contest
from euguess.promotion.gate import PromotionRequest, decide, promote
from euguess.promotion.verdict import (
    Contest,
    NewCountries,
    NotComparable,
    faulty_verdict,
    first_verdict,
    forced_verdict,
    judge,
    leaky_verdict,
)
from euguess.promotion.versions import RegisteredVersion
from tests.support.promotions import HALF, audit_entry, contest

CANDIDATE = RegisteredVersion(
    version="2",
    run_id="run",
    dataset="demo",
    manifest_digest="0" * 64,
    protocol="location",
    accuracy=0.5,
    is_honest=True,
)
CHAMPION = replace(CANDIDATE, version="1", accuracy=0.9)


def test_a_version_of_unknown_places_is_promoted_by_force_only() -> None:
    tags = {"is_honest": "False", "may_leak": "True"}
    version = RegisteredVersion.of("2", "run", tags)
    for champion in (None, CHAMPION):
        verdict = decide(PromotionRequest(version), champion, won)
        assert not verdict.is_promoted
        assert "places are unknown, so its test may leak" in verdict.reason
        forced = decide(PromotionRequest(version, is_forced=True, reason="why"), champion, won)
        assert forced.is_promoted
        assert "places are unknown" in forced.reason


@pytest.mark.parametrize(
    ("low", "high", "is_promoted"),
    [
        (0.01, 0.09, True),
        (0.0, 0.1, False),  # zero itself is not excluded
        (-0.02, 0.3, False),
        (-0.1, -0.02, False),
    ],
)
def test_the_interval_of_the_difference_must_lie_above_zero(
    low: float, high: float, is_promoted: bool
) -> None:
    assert judge(CANDIDATE, CHAMPION, contest(low, high)).is_promoted is is_promoted


def test_a_verdict_names_versions_places_and_interval() -> None:
    reason = judge(CANDIDATE, CHAMPION, contest(0.01, 0.09)).reason
    for said in ("version 2 is better", "version 1", "64 places new to both", "+5.0 [+1.0, +9.0]"):
        assert said in reason


def test_countries_that_the_champion_cannot_name_are_reported_apart() -> None:
    new = NewCountries(countries=("IT", "SE"), places=40, accuracy=HALF)
    split = {"new_countries": (new,), "left_out": {"NO": 3}}
    reason = judge(CANDIDATE, CHAMPION, contest(0.01, 0.09).model_copy(update=split)).reason
    assert "50.0% of 40 places in 2 countries that the champion cannot name (IT, SE)" in reason
    assert "3 places in countries that neither can name are left out: NO 3" in reason


def test_a_version_that_lacks_countries_is_refused_without_a_measurement() -> None:
    fewer, champion = replace(CANDIDATE, countries=("FR",)), replace(CHAMPION, countries=("PL",))
    verdict = decide(PromotionRequest(fewer), champion, won)
    assert not verdict.is_promoted
    assert "cannot name PL" in verdict.reason


def test_records_on_places_of_any_country_do_not_count() -> None:
    old = contest(0.01, 0.09).model_copy(update={"countries": ()})
    for met, is_found in ((old, False), (contest(0.01, 0.09), True)):
        entry = audit_entry(1, Decision.REFUSED, "2", "1", met)
        assert (recorded_contest([entry], "2", "1") is not None) is is_found


def test_the_first_honest_model_needs_no_rival_and_a_leaky_one_is_refused() -> None:
    assert first_verdict(CANDIDATE).is_promoted
    refused = leaky_verdict(replace(CANDIDATE, protocol="image", is_honest=False))
    assert not refused.is_promoted
    assert "leaky image split" in refused.reason


def test_a_model_with_faults_is_refused_naming_them() -> None:
    refused = faulty_verdict(replace(CANDIDATE, faults=("no_shuffling", "no_validation")))
    assert not refused.is_promoted
    assert "no_shuffling, no_validation" in refused.reason


def test_a_forced_verdict_keeps_the_reason_against_it() -> None:
    verdict = forced_verdict(judge(CANDIDATE, CHAMPION, contest(-0.1, 0.1)))
    assert verdict.is_promoted
    assert "forced, although version 2 is not shown to be better" in verdict.reason
    assert verdict.contest == contest(-0.1, 0.1)


def test_force_without_a_reason_is_refused() -> None:
    with pytest.raises(InvalidInput, match="--reason"):
        PromotionRequest(CANDIDATE, is_forced=True, reason=" ")


@dataclass
class Versions:
    """A registry in memory."""

    known: dict[str, RegisteredVersion]
    served: str | None = None

    def champion(self) -> RegisteredVersion | None:
        return self.known[self.served] if self.served else None

    def version(self, number: str) -> RegisteredVersion:
        return self.known[number]

    def set_champion(self, version: str) -> None:
        self.served = version


@dataclass
class BusyLog:
    """A log to which another process appends first, promoting version 3 concurrently."""

    registry: Versions
    rivals: int = 0
    kept: list[AuditEntry] = field(default_factory=list)

    def entries(self) -> list[AuditEntry]:
        return list(self.kept)

    def append(self, entry: AuditEntry) -> bool:
        is_overtaken = self.rivals > 0
        if is_overtaken:
            self.rivals -= 1
            self.registry.set_champion("3")
            entry = entry.model_copy(update={"version": "3", "verdict": "a rival"})
        self.kept.append(entry)
        return not is_overtaken


def versions(*candidates: RegisteredVersion, served: str | None = None) -> Versions:
    return Versions({candidate.version: candidate for candidate in candidates}, served)


def won(_: RegisteredVersion) -> Contest:
    return contest(0.01, 0.09)


def never_met(_: RegisteredVersion) -> Contest:
    raise NotComparable("they never met.")


def test_the_champion_is_set_after_the_decision_is_logged() -> None:
    registry = versions(CANDIDATE, CHAMPION, served="1")
    log = BusyLog(registry)
    assert promote(PromotionRequest(CANDIDATE), registry, log, won).is_promoted
    assert registry.served == "2"
    assert [(e.act, e.version, e.champion_before) for e in log.kept] == [
        (Decision.PROMOTED, "2", "1")
    ]


def test_a_refusal_is_logged_and_changes_no_champion() -> None:
    registry = versions(CANDIDATE, CHAMPION, served="1")
    log = BusyLog(registry)
    verdict = promote(PromotionRequest(CANDIDATE), registry, log, never_met)
    assert verdict.reason.endswith("version 1: they never met")
    assert registry.served == "1"
    assert log.kept[0].act is Decision.REFUSED


def test_an_overtaken_decision_is_repeated_against_the_new_champion() -> None:
    registry = versions(CANDIDATE, CHAMPION, replace(CANDIDATE, version="3"), served="1")
    log, met = BusyLog(registry, rivals=1), []

    def hold(champion: RegisteredVersion) -> Contest:
        met.append(champion.version)
        return won(champion)

    assert promote(PromotionRequest(CANDIDATE), registry, log, hold).is_promoted
    assert met == ["1", "3"]
    assert (log.kept[-1].number, log.kept[-1].champion_before) == (2, "3")


def test_promoting_the_champion_again_logs_nothing() -> None:
    registry = versions(CHAMPION, served="1")
    log = BusyLog(registry)
    assert promote(PromotionRequest(CHAMPION), registry, log, never_met).is_promoted
    assert log.kept == []
