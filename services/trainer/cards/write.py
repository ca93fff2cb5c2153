"""Write the model card and the dataset card of a model version."""

from euguess.errors import EUGuessError
from euguess.promotion.versions import DATASET_CARD, MODEL_CARD
from euguess.training.recipes.read import AnyRecipe
from euguess.training.report import Report
from services.trainer.cards.dataset_card import dataset_card
from services.trainer.cards.dataset_facts import read_dataset_facts
from services.trainer.cards.energy import estimate_energy
from services.trainer.cards.model_card import TrainingFacts, model_card
from services.trainer.session import Session

ENVIRONMENT = "environment."


def write_cards(run_id: str, recipe: AnyRecipe, report: Report, session: Session) -> None:
    """Store both cards with the run; a dataset that cannot be described does not fail the run."""
    training = _training(run_id, recipe, session)
    session.tracking.log_text(run_id, model_card(report, training), MODEL_CARD)
    try:
        facts = read_dataset_facts(report.dataset, session.store)
    except EUGuessError as error:
        session.display.note(f"No dataset card: {error}")
        return
    session.tracking.log_text(run_id, dataset_card(facts, report.manifest_digest), DATASET_CARD)


def _training(run_id: str, recipe: AnyRecipe, session: Session) -> TrainingFacts:
    seconds = session.tracking.history(run_id, "seconds")
    tags = session.tracking.find(run_id).tags
    made = {
        name.removeprefix(ENVIRONMENT): value
        for name, value in tags.items()
        if name.startswith(ENVIRONMENT)
    }
    energy = estimate_energy(sum(seconds), session.device, session.energy)
    return TrainingFacts(recipe, made, len(seconds), energy if seconds else None)
