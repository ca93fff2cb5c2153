"""The names of networks that recipes may give."""

from euguess.training.recipes.networks import NETWORKS
from services.networks import network_names


def test_recipes_know_the_networks_that_can_be_built() -> None:
    assert list(NETWORKS) == network_names()
