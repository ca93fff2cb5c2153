"""Trainings for the worker of the queue `train`, by way of the sampler."""

from euguess.clients import SamplerClient
from euguess.errors import ServiceUnavailable
from euguess.messages.training import TrainRun
from euguess.settings import ServiceSettings
from services.trainer.runs.experiment import Order


def queue_training(order: Order) -> None:
    """Returns once the broker has it. Raises DatasetNotFound or ServiceUnavailable."""
    url = ServiceSettings.load().sampler_url
    if not url:
        raise ServiceUnavailable(
            "No stack is running here: start one with `euguess up`, or train without --queue."
        )
    with SamplerClient(url) as sampler:
        recipe = order.recipe.to_toml()
        sampler.train(TrainRun(dataset=order.dataset, recipe=recipe, promote=order.is_promoted))
