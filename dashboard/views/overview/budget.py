"""The budget of a collection: how much of it is spent, and how to raise it."""

import math

from euguess.collection.budget import cost
from euguess.collection.providers import tariff
from euguess.messages.collection import Budget, DatasetStatus

CENTS = 100


def spent_share(status: DatasetStatus) -> float | None:
    """Return the spent share (0..1) of the cap that is closest; None without a budget."""
    budget = status.budget or Budget()
    pairs = ((status.images_spent, budget.images), (status.dollars_spent, budget.dollars))
    shares = [spent / cap if cap else 1.0 for spent, cap in pairs if cap is not None]
    return min(1.0, max(shares)) if shares else None


def spent_text(status: DatasetStatus) -> str:
    """Format spending as Markdown: 300 of 600 images, \\$2.10 of \\$10.00 spent."""
    budget = status.budget or Budget()
    images, dollars = f"{status.images_spent:,}", f"\\${status.dollars_spent:,.2f}"
    if budget.images is not None:
        images += f" of {budget.images:,}"
    if budget.dollars is not None:
        dollars += f" of \\${budget.dollars:,.2f}"
    return f"{images} images, {dollars} spent"


def raise_command(status: DatasetStatus) -> str:
    """Return the command that raises the budget to cover all pending places, at list price."""
    budget, options = status.budget or Budget(), ""
    images = status.total.pending * len(status.spec.headings)
    rest = cost(images, tariff(status.spec.provider).dollars_per_image)
    if budget.images is not None:
        options += f" --images {max(budget.images, status.images_spent + rest.images)}"
    if budget.dollars is not None:
        dollars = max(budget.dollars, status.dollars_spent + rest.dollars)
        options += f" --dollars {math.ceil(round(dollars * CENTS, 4)) / CENTS:.2f}"
    return f"euguess dataset budget {status.spec.name}{options}"
