"""The commands `train`, and `compare` for one recipe under two splits.

torch and MLflow take seconds to import, so each command imports them when it runs.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euguess.settings import StoreSettings
from services.trainer.cli.options import (
    AsJson,
    Dataset,
    Device,
    Overrides,
    Promote,
    Protocol,
    RecipeFile,
    Resume,
    SkipDamaged,
    console,
    damage_policy,
    messages,
    open_session,
    print_json,
    with_protocol,
)

if TYPE_CHECKING:
    from services.trainer.runs.experiment import Outcome, RunRequest

Queue = Annotated[
    bool, typer.Option("--queue", help="Queue the run for the trainer of a running stack")
]
OptionalRecipe = Annotated[
    Path | None,
    typer.Option("--recipe", help="TOML file, e.g. experiments/demo.toml; picked if not given"),
]
Weights = Annotated[
    Path | None,
    typer.Option(help="Folder of the recipe's weights files; by default the working directory"),
]


def train(
    dataset: Dataset,
    recipe: OptionalRecipe = None,
    overrides: Overrides = None,
    weights: Weights = None,
    protocol: Protocol = None,
    promote: Promote = False,
    resume: Resume = False,
    queue: Queue = False,
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a recipe on a dataset, report its accuracy and register the model.

    A recipe describes a network to train or, with backbones, a head on frozen features. Without
    one, the command picks one by the number of places, the hardware and the weights at hand, and
    says why.

    Accuracy is measured on the test set of the split, which neither training nor the choice of
    the best epoch uses.
    """
    recipe = recipe or _picked(dataset, device)
    request = _request(
        dataset, recipe, with_protocol(overrides, protocol), resume, promote, skip_damaged
    )
    if weights or queue:  # the worker of the queue has another working directory
        located = request.recipe.with_weights_in((weights or Path()).absolute())
        request = replace(request, recipe=located)
    if queue:
        _queue(request, as_json)
    else:
        _train(request, device, as_json)


def compare(
    dataset: Dataset,
    recipe: RecipeFile,
    overrides: Overrides = None,
    promote: Promote = False,
    resume: Resume = False,
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a recipe under the leaky image split and under an honest one, and compare them.

    The difference is what a model gains from having seen other views of the tested places.
    Only the honest model is registered.
    """
    from services.trainer.reports.tables import print_comparison, print_report
    from services.trainer.runs.protocols import run_comparison

    request = _request(dataset, recipe, overrides or [], resume, promote, skip_damaged)
    leaky, honest = run_comparison(request, open_session(device))
    if as_json:
        print_json({"leaky": _summary(leaky), "honest": _summary(honest)})
        return
    print_report(console, honest.report)
    print_comparison(console, leaky.report, honest.report)
    _print_registration(honest)


def _picked(dataset: str, device: str) -> Path:
    """Pick a recipe and say why."""
    from services.trainer.devices import choose_device
    from services.trainer.runs.default_recipe import count_places, pick_recipe

    picked = pick_recipe(count_places(dataset, StoreSettings.load()), choose_device(device))
    messages.print(f"Recipe {picked.path}: {picked.reason}.", highlight=False, soft_wrap=True)
    return picked.path


def _request(
    dataset: str, recipe: Path, overrides: list[str], resume: bool, promote: bool, skip: bool
) -> "RunRequest":
    from euguess.training.recipes.read import read_any_recipe
    from services.trainer.runs.experiment import RunRequest

    return RunRequest(
        dataset=dataset,
        recipe=read_any_recipe(recipe, overrides),
        is_resumed=resume,
        ignores_stop_request=True,
        is_promoted=promote,
        on_damage=damage_policy(skip),
    )


def _train(request: "RunRequest", device: str, as_json: bool) -> None:
    from services.trainer.reports.tables import print_report
    from services.trainer.runs.experiment import run_experiment

    outcome = run_experiment(request, open_session(device))
    if as_json:
        print_json(_summary(outcome))
    else:
        print_report(console, outcome.report)
        _print_registration(outcome)


def _queue(request: "RunRequest", as_json: bool) -> None:
    """Queue a run; return once the broker has it. Raises DatasetNotFound or ServiceUnavailable."""
    from euguess.clients import SamplerClient
    from euguess.errors import ServiceUnavailable
    from euguess.messages.training import TrainRun
    from euguess.settings import AccessSettings, ServiceSettings

    url = ServiceSettings.load().sampler_url
    if not url:
        raise ServiceUnavailable(
            "No stack is running. Start one with `euguess up`, or train without --queue."
        )
    message = TrainRun(
        dataset=request.dataset, recipe=request.recipe.to_toml(), promote=request.is_promoted
    )
    with SamplerClient(url, token=AccessSettings.load().access_token) as sampler:
        sampler.train(message)
    if as_json:
        print_json({"queued": request.recipe.name, "dataset": request.dataset})
    else:
        console.print(f"Queued {request.recipe.name} on {request.dataset}.", highlight=False)


def _summary(outcome: "Outcome") -> dict[str, Any]:
    return {
        "run_id": outcome.run_id,
        "version": outcome.candidate.version if outcome.candidate else None,
        "is_promoted": bool(outcome.verdict and outcome.verdict.is_promoted),
        "promotion": outcome.verdict.reason if outcome.verdict else None,
        "report": outcome.report.model_dump(mode="json"),
    }


def _print_registration(outcome: "Outcome") -> None:
    if outcome.candidate:
        console.print(f"Registered as version {outcome.candidate.version}, run {outcome.run_id}.")
    if outcome.verdict:
        mark = "Promoted" if outcome.verdict.is_promoted else "Not promoted"
        console.print(f"{mark}: {outcome.verdict.reason}.")
