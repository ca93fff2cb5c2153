"""The models page: promotions follow the gate and are in the audit log."""

import asyncio
from functools import partial

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.sources.versions import read_cards
from euguess.errors import InvalidInput, StoreUnavailable
from euguess.promotion.audit import AuditEntry, Decision, append, read_log
from euguess.promotion.versions import RegisteredVersion
from tests.support.dashboard_services import FakeServices, UnreachableStore, candidate, model_card
from tests.support.promotions import audit_entry, contest
from tests.unit.dashboard.conftest import Draw

entry = partial(audit_entry, verdict="<b>because</b>")


def services(*versions: RegisteredVersion, champion: str | None = "1") -> FakeServices:
    """Register versions; the audit log contains the promotion of the champion."""
    made = FakeServices(
        card=model_card("FR", "PL"), versions=list(versions), champion_version=champion
    )
    if champion:
        write(made, entry(1, Decision.PROMOTED, champion, None, None))
    return made


def write(given: FakeServices, *entries: AuditEntry) -> None:
    async def put() -> None:
        for one in entries:
            assert await append(given.objects, one)

    asyncio.run(put())


def log(given: FakeServices) -> list[AuditEntry]:
    return asyncio.run(read_log(given.objects))


def drawn(draw: Draw, given: FakeServices) -> AppTest:
    page = draw("models", given.connections())
    assert not page.exception
    return page


def press(page: AppTest, label: str) -> AppTest:
    button = next(button for button in page.button if label in button.label)
    page = button.click().run(timeout=30)
    assert not page.exception
    return page


def test_versions_are_listed_with_their_accuracy_and_the_champion_marked(draw: Draw) -> None:
    faulty = candidate(3, is_honest=False, faults=("no_shuffling",))
    page = drawn(draw, services(candidate(1), candidate(2, is_honest=False), faulty))
    rows = page.dataframe[0].value
    assert rows["Version"].tolist() == [3, 2, 1]
    assert rows["Status"].tolist() == ["", "", "★ champion"]
    assert rows["Accuracy, all views"].tolist() == ["53.0% [41, 66]"] * 3
    tested = ["faulty: no_shuffling", "LEAKY, location split", "honest, location split"]
    assert rows["Test"].tolist() == tested


def test_a_version_of_unknown_places_is_not_called_honest(draw: Draw) -> None:
    page = drawn(draw, services(candidate(1, is_honest=False, may_leak=True)))
    (tested,) = page.dataframe[0].value["Test"]
    assert tested == "places unknown: may leak, location split"


def test_the_first_champion_needs_no_contest(draw: Draw) -> None:
    given = services(candidate(1), champion=None)
    page = press(drawn(draw, given), "Promote version 1")
    assert given.champion_version == "1"
    assert "Promoted" in page.success[0].value
    (written,) = log(given)
    assert (written.act, written.is_forced) == (Decision.PROMOTED, False)
    assert written.by.endswith("(dashboard)")


def test_a_version_with_a_recorded_lead_is_promoted(draw: Draw) -> None:
    given = services(candidate(1), candidate(2))
    write(given, entry(2, Decision.REFUSED, "2", "1", contest(0.01, 0.11)))
    page = drawn(draw, given)
    assert "The gate would promote it" in page.info[0].value
    press(page, "Promote version 2")
    assert given.champion_version == "2"
    assert log(given)[-1].contest == contest(0.01, 0.11)


def test_a_lead_over_an_earlier_champion_does_not_count(draw: Draw) -> None:
    given = services(candidate(1), candidate(2), candidate(3))
    write(given, entry(2, Decision.REFUSED, "3", "1", contest(0.01, 0.11)))
    write(given, entry(3, Decision.PROMOTED, "2", "1", contest(0.01, 0.11)))
    given.champion_version = "2"
    page = drawn(draw, given)
    assert "not been measured" in page.warning[0].value
    assert "`euguess models promote run-3`" in page.info[0].value


def test_a_version_that_lacks_countries_is_refused_before_anything_is_measured(
    draw: Draw,
) -> None:
    fewer = candidate(2, countries=("FR",))
    page = drawn(draw, services(candidate(1, countries=("FR", "PL")), fewer))
    assert "cannot name PL, which the champion can" in page.warning[0].value.replace("\\", "")
    assert not [hint for hint in page.info if "models promote" in hint.value]


def test_what_decides_is_said_before_countries_are_added(draw: Draw) -> None:
    more = candidate(2, countries=("FR", "IT", "PL"))
    page = drawn(draw, services(candidate(1, countries=("FR", "PL")), more))
    said = page.warning[0].value
    assert "also names IT, which the champion cannot" in said
    assert "only places in the 2 countries that both name will decide" in said
    assert "models promote run-2" in page.info[0].value


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_forced_promotion_needs_a_reason(draw: Draw, reason: str) -> None:
    given = services(candidate(1), candidate(2, is_honest=False))
    page = drawn(draw, given)
    assert "The gate would refuse it" in page.warning[0].value
    assert "Promote version 2" not in [button.label for button in page.button]
    page.text_input[0].set_value(reason)
    page = press(page, "Force promotion")
    assert "needs a reason" in page.error[0].value
    assert given.champion_version == "1"
    assert len(log(given)) == 1


def test_a_forced_promotion_is_logged_with_its_reason_and_the_verdict(draw: Draw) -> None:
    given = services(candidate(1), candidate(2))
    write(given, entry(2, Decision.REFUSED, "2", "1", contest(-0.2, -0.1)))
    page = drawn(draw, given)
    page.text_input[0].set_value("a <b>demo</b>")
    page = press(page, "Force promotion")
    assert given.champion_version == "2"
    written = log(given)[-1]
    assert (written.is_forced, written.reason) == (True, "a <b>demo</b>")
    assert "not shown to be better" in written.verdict
    assert page.dataframe[-1].value["Reason"].tolist()[0] == "a <b>demo</b>"


def test_a_rollback_needs_a_reason_and_is_logged(draw: Draw) -> None:
    given = services(candidate(1), candidate(2))
    write(given, entry(2, Decision.PROMOTED, "2", "1", contest(0.01, 0.11)))
    given.champion_version = "2"
    page = press(drawn(draw, given), "Roll back to version 1")
    assert "needs a reason" in page.error[0].value
    page.text_input[-1].set_value("it was slow")
    page = press(page, "Roll back to version 1")
    assert given.champion_version == "1"
    assert (log(given)[-1].act, log(given)[-1].reason) == (Decision.ROLLED_BACK, "it was slow")


def test_the_full_report_is_read_on_demand(draw: Draw) -> None:
    given = services(candidate(1))
    row = {"country_code": "FR", "images": 9, "recall": 2 / 3, "precision": None}
    given.report = {"per_country": [row]}
    page = drawn(draw, given)
    page = page.toggle[0].set_value(True).run(timeout=30)
    assert not page.exception
    assert page.dataframe[1].value["Recall (%)"].tolist() == [66.7]


def test_without_versions_the_page_shows_how_to_train_one(draw: Draw) -> None:
    page = drawn(draw, FakeServices())
    assert "euguess train" in page.code[0].value
    assert "No promotions or refusals" in page.info[-1].value


@pytest.mark.parametrize("name", ["mlflow", "store"])
def test_an_outage_is_shown(draw: Draw, name: str) -> None:
    given = services(candidate(1), candidate(2))
    given.down = {name}
    assert len(drawn(draw, given).error) == 1


def test_versions_are_shown_while_the_store_is_down(draw: Draw) -> None:
    given = services(candidate(1), candidate(2))
    given.down = {"store"}
    page = drawn(draw, given)
    assert page.dataframe[0].value["Version"].tolist() == [2, 1]
    assert any("Promotion is unavailable" in caption.value for caption in page.caption)


def test_cards_are_read_once(draw: Draw) -> None:
    registry = services(candidate(1)).connections().registry
    (card,) = read_cards(registry, ("run-1",)).values()
    assert read_cards(registry, ("run-1",))["run-1"] is card


def test_a_missing_version_is_reported_by_its_number() -> None:
    registry = services(candidate(1)).connections().registry
    assert registry.version("1") == candidate(1)
    with pytest.raises(InvalidInput, match="no version 9"):
        registry.version("9")


def test_a_store_that_is_down_is_queried_for_the_audit_log_once(
    draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def unavailable(store: object) -> None:
        asked.append(store)
        raise StoreUnavailable

    monkeypatch.setattr(UnreachableStore, "_store", unavailable)
    services = FakeServices(card=model_card("FR", "PL"), versions=[candidate(2), candidate(1)])
    services.champion_version, services.down = "1", {"store"}
    page = draw("models", services.connections())
    assert len(page.error) == len(asked) == 1
    assert page.dataframe
