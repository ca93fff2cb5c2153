"""The command that prints the cards of a version."""

from typing import Annotated

import typer

from euguess.settings import StoreSettings
from services.trainer.cli.options import AsJson, open_records, print_json


def card(
    version: Annotated[
        str | None, typer.Argument(help="Number of a version; by default the champion's")
    ] = None,
    data: Annotated[
        bool, typer.Option("--data", help="The card of its dataset instead of the model's")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the model card of a version: data, intended use, limits, figures, energy, promotions.

    Cards are Markdown, written when a version is registered; with --data the card of its dataset:
    countries, licences and attributions, how it was collected, known biases.

      models card 3 > MODEL_CARD.md
    """
    from euguess.promotion.audit import AuditLog
    from services.trainer.cards.stored_cards import read_card

    tracking, registry = open_records()
    found = read_card(version, tracking, registry, AuditLog(StoreSettings.load()), is_data=data)
    if as_json:
        print_json(vars(found))
    else:
        typer.echo(found.text, nl=False)
