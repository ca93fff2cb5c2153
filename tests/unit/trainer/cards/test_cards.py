"""Model cards and dataset cards, from tiny reports and manifests."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import torch
from markdown_it import MarkdownIt

from euguess.messages.collection import (
    DatasetSpec,
    SlotKey,
    SlotOutcome,
    SlotStatus,
)
from euguess.promotion.audit import AuditEntry, Decision
from euguess.settings import EnergySettings
from euguess.training.report import Report, UntestedCountry
from services.trainer.cards.dataset_card import SHOWN_ATTRIBUTIONS, dataset_card
from services.trainer.cards.dataset_facts import DatasetFacts, dataset_facts
from services.trainer.cards.energy import Energy, estimate_energy, watts_in
from services.trainer.cards.model_card import TrainingFacts, model_card
from services.trainer.cards.stored_cards import promotion_section
from services.trainer.evaluation.evaluation import evaluate
from services.trainer.reports.markdown import NOT_RECORDED, escaped
from services.trainer.reports.tables import percent
from services.trainer.training.learner import new_learner
from tests.support.tiny_training import COUNTRIES, CPU, tiny_recipe, tiny_split_data

DIGEST = "ab" * 32
HOUR = 3600.0
MADE = {"git_revision": "0123abc", "torch": "2.15", "device": "cpu"}


def measured(*overrides: str) -> tuple[Report, TrainingFacts]:
    recipe = tiny_recipe(*overrides)
    network = new_learner(recipe, len(COUNTRIES), CPU).network
    report = evaluate(network, tiny_split_data(recipe), recipe)
    energy = estimate_energy(HOUR, CPU, EnergySettings(cpu_watts=100, grid_grams_per_kwh=400))
    return report, TrainingFacts(recipe, MADE, recipe.epochs, energy)


@pytest.fixture(scope="module")
def honest() -> tuple[Report, TrainingFacts]:
    return measured()


def test_the_card_says_what_was_not_tested_and_leaves_out_an_unknown_baseline(
    honest: tuple[Report, TrainingFacts],
) -> None:
    report, training = honest
    unknown = report.baselines.model_copy(update={"majority": None})
    alone = UntestedCountry(country_code="LU", locations=1, reason="its only place is trained on")
    changes = {"without_position": 3, "untested": (alone,), "baselines": unknown}
    card = model_card(report.model_copy(update=changes), training)
    assert "LU \\(its only place is trained on\\)" in card
    assert "- 3 places without a position could not be kept at a distance" in card
    assert "majority" in model_card(report, training)
    assert "majority" not in card


def view(place: int, **changes: Any) -> dict[str, Any]:
    row = {"location_id": f"p{place}", "country_code": "FR", "lat": 45.0, "lon": 5.0}
    row |= {"bytes": 1000, "width": 64, "height": 48, "provider": "google", "license": "terms"}
    return row | {"captured_at": "2021-07", "attribution": "someone"} | changes


def facts(*rows: dict[str, Any], provider: str = "google") -> DatasetFacts:
    spec = DatasetSpec(name="tiny", quotas={"FR": 3, "PL": 2}, provider=provider)
    times = [datetime(2026, 5, day, tzinfo=UTC) for day in (4, 9)]
    outcomes = [
        SlotOutcome(
            dataset="tiny",
            slot=SlotKey(country_code="FR", index=index),
            fence=1,
            status=SlotStatus.STORED,
            rejections={"indoors": 2},
            finished_at=at,
        )
        for index, at in enumerate(times)
    ]
    is_imported = provider == "folder"
    return dataset_facts(spec, DIGEST, rows, [] if is_imported else outcomes)


def card_of(facts: DatasetFacts) -> str:
    return dataset_card(facts, trained_on=facts.digest)


def html(card: str) -> str:
    return str(MarkdownIt().enable("table").render(card))


def metadata(card: str) -> dict[str, Any]:
    block = card.split("---\n")[1]
    pairs = (line.partition(": ") for line in block.splitlines())
    return {key: json.loads(value) for key, _, value in pairs}


def test_a_model_card_has_the_reports_figures(honest: tuple[Report, TrainingFacts]) -> None:
    report, training = honest
    card = model_card(report, training)
    for fused in report.fused[1:]:
        assert percent(fused.metrics["top1_accuracy"]) in card
    assert all(country.name in card for country in report.countries)
    assert f"`{report.manifest_digest}`" in card
    assert "must not be used to locate people" in card
    (model,) = metadata(card)["model-index"]
    single = model["results"][0]["metrics"][0]["value"]
    assert single == pytest.approx(report.metrics["top1_accuracy"].value, abs=1e-4)


def test_a_model_card_warns_of_leaks_and_faults() -> None:
    leaky = model_card(*measured("split.protocol=image", "faults.no_shuffling=true"))
    assert "**LEAKY, FAULTY**: the figures do not hold for new places" in leaky
    assert "fault of the study: no_shuffling" in leaky


def test_an_honest_model_card_has_no_warning(honest: tuple[Report, TrainingFacts]) -> None:
    assert "do not hold" not in model_card(*honest)


def test_facts_missing_from_a_run_are_marked_as_not_recorded(
    honest: tuple[Report, TrainingFacts],
) -> None:
    report, training = honest
    card = model_card(report, TrainingFacts(training.recipe, {}, 0, None))
    assert f"Device: {NOT_RECORDED}" in card
    assert f"Training time: {NOT_RECORDED}" in card


def test_the_folder_of_pretrained_weights_stays_out_of_the_card(
    honest: tuple[Report, TrainingFacts],
) -> None:
    report, training = honest
    recipe = training.recipe.model_copy(update={"weights": "/home/someone/net.safetensors"})
    card = model_card(report, TrainingFacts(recipe, MADE, 1, None))
    assert "Pretrained weights: net.safetensors" in card
    assert "someone" not in card


def test_energy_is_power_times_hours_and_co2_follows_from_the_grid() -> None:
    energy = Energy(2 * HOUR, 100, "a setting", 400)
    assert energy.kwh == pytest.approx(0.2)
    assert energy.co2_kg == pytest.approx(0.08)


def test_the_energy_of_an_unknown_device_is_not_guessed(
    honest: tuple[Report, TrainingFacts],
) -> None:
    report, training = honest
    energy = estimate_energy(HOUR, torch.device("mps"), EnergySettings())
    assert energy.kwh is None
    card = model_card(report, TrainingFacts(training.recipe, MADE, 1, energy))
    assert f"Energy: {NOT_RECORDED}" in card


@pytest.mark.parametrize(("answer", "watts"), [("700.00\n", 700.0), ("[N/A]\n", None), ("", None)])
def test_the_power_limit_is_what_nvidia_smi_prints(answer: str, watts: float | None) -> None:
    assert watts_in(answer) == watts


def test_a_dataset_card_counts_the_rows_of_the_manifest() -> None:
    card = card_of(facts(view(1), view(1), view(2, country_code="PL", captured_at=None)))
    assert "3 photos of 2 places in 2 countries" in card
    assert "| France | 3 | 1 |" in card
    assert "| Poland | 2 | 1 |" in card
    assert "| 2021 | 2 |" in card
    assert f"| {NOT_RECORDED} | 1 |" in card
    assert "Collected: 2026-05-04 to 2026-05-09" in card
    assert "indoors (4)" in card
    assert "| google | terms | 2 | 3 |" in card


def test_a_dataset_card_says_how_places_are_known() -> None:
    card = card_of(facts(view(1), view(2, place_known_by="unknown"), view(3)))
    assert "which photos show the same place: known (2), unknown (1)" in card


def test_a_card_of_imported_photos_does_not_claim_that_they_were_sampled() -> None:
    card = card_of(facts(view(1, provider="folder"), provider="folder"))
    assert "Random points" not in card
    assert f"How they were chosen: {NOT_RECORDED}" in card


def test_a_card_of_generated_photos_says_so() -> None:
    assert "are generated" in card_of(facts(view(1, provider="simulator")))
    assert "are generated" not in card_of(facts(view(1)))


def test_a_card_warns_if_the_dataset_changed_during_the_training() -> None:
    now, then = facts(view(1)), "cd" * 32
    assert f"manifest `{then}`, are {NOT_RECORDED}" in dataset_card(now, trained_on=then)
    assert "changed during the training" not in card_of(now)


def test_only_the_most_frequent_attributions_are_listed() -> None:
    rows = [view(place, attribution=f"author {place:03}") for place in range(30)]
    card = card_of(facts(*rows))
    assert "author 019" in card
    assert "author 020" not in card
    assert f"and {30 - SHOWN_ATTRIBUTIONS} more" in card


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[here](javascript:alert)",
        "**bold** `code` _it_",
        "a | b\n\n# title",
        "&lt;b&gt;",
        "- item",
        "+ item",
        "1. item",
        "2) item",
    ],
)
def test_markup_in_a_manifest_stays_text(text: str) -> None:
    card = card_of(facts(view(1, license=text, attribution=text)))
    shown = html(card.split("## Sources and licences")[1].split("## Uses")[0])
    plain = html(card_of(facts(view(1))).split("## Sources and licences")[1].split("## Uses")[0])
    tags = [part.partition(">")[0] for part in shown.split("<")[1:]]
    assert tags == [part.partition(">")[0] for part in plain.split("<")[1:]]


def test_escaped_text_is_displayed_unchanged() -> None:
    text = "© 2021 A_B <a@b.c> [x] 100 % \\ & co"
    shown = html(escaped(text))
    assert "© 2021 A_B &lt;a@b.c&gt; [x] 100 % \\ &amp; co" in shown


def test_the_promotion_section_shows_a_forced_promotion_but_not_who_forced_it() -> None:
    entry = AuditEntry(
        number=1,
        at=datetime(2026, 5, 4, 3, 2, tzinfo=UTC),
        by="anna@laptop",
        act=Decision.PROMOTED,
        version="7",
        run_id="0" * 32,
        champion_before=None,
        is_forced=True,
        verdict="by force, although it leaks",
        reason="a *demo*",
    )
    section = promotion_section("7", [entry])
    assert "2026-05-04 03:02 UTC, promoted, by force: by force, although it leaks." in section
    assert "Reason given: a \\*demo\\*." in section
    assert "anna" not in section
    assert "Never promoted" in promotion_section("8", [entry])
