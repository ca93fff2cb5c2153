"""Valid and invalid recipes, with the errors."""

from pathlib import Path

import pytest

from euguess.errors import InvalidRecipe
from euguess.messages.serving import ImageSpec
from euguess.process.project import project_root
from euguess.training.recipes.recipe import parse_recipe, read_recipe
from euguess.training.recipes.split_spec import SplitProtocol
from tests.support.study import STUDY_NETWORKS

MINIMAL = 'name = "test"\nnetwork = "customnet"\nepochs = 3\n'
EXPERIMENTS = project_root() / "experiments"
SHIPPED = sorted(
    p for p in EXPERIMENTS.rglob("*.toml") if p.parent.name not in ("heads", "across", "sweeps")
)


def test_a_minimal_recipe_has_honest_defaults() -> None:
    recipe = parse_recipe(MINIMAL)
    assert recipe.split.protocol is SplitProtocol.LOCATION
    assert recipe.weights == "none"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINIMAL + "batchsize = 3", ["unknown key batchsize", "batch_size"]),
        (MINIMAL + "[optimizer]\nlr = 3", ["unknown key optimizer.lr", "learning_rate"]),
        (MINIMAL + "std = [0.5, 0.5, 0.0]", ["std.2", "greater than 0"]),
        (MINIMAL.replace("customnet", "timm/a b"), ["network", "timm/NAME"]),
        (MINIMAL + "[schedule]\nwarmup_epochs = 3", ["schedule.warmup_epochs (3)", "less than"]),
        (MINIMAL + '[fine_tuning]\ntrained = "head"', ["fine_tuning.trained", "pretrained"]),
        (MINIMAL + "[balance]\nsampling = 2", ["balance.sampling", "less than or equal to 1"]),
        (MINIMAL + '[split]\nprotocol = "random"', ["split.protocol", "'location+buffer'"]),
        (MINIMAL + '[optimizer]\nname = "lion"', ["optimizer.name", "'adamw'"]),
        (MINIMAL + "[optimizer]\nlearning_rate = nan", ["optimizer.learning_rate"]),
        (MINIMAL + "[split]\ntest_fraction = 0.6\nval_fraction = 0.5", ["split", "less than 1"]),
        (MINIMAL + "split = 3", ["split"]),
        (MINIMAL.replace("3", "0"), ["epochs", "greater than or equal to 1"]),
        (MINIMAL.replace("customnet", "googelnet"), ["network", "'googelnet'", "googlenet"]),
        (MINIMAL.replace("epochs = 3", ""), ["epochs", "required"]),
        ("name = ", ["not TOML"]),
        ("", ["name", "network", "epochs"]),
    ],
)
def test_an_invalid_recipe_is_refused_with_the_key(text: str, said: list[str]) -> None:
    with pytest.raises(InvalidRecipe) as refused:
        parse_recipe(text)
    assert all(words in str(refused.value) for words in said)
    assert "\n" not in str(refused.value)


def test_overrides_change_nested_and_plain_keys() -> None:
    recipe = parse_recipe(MINIMAL, ["epochs=7", "optimizer.name=sgd", "split.buffer_km = 2.5"])
    assert (recipe.epochs, recipe.optimizer.name, recipe.split.buffer_km) == (7, "sgd", 2.5)


@pytest.mark.parametrize("override", ["epochs", "=3", "name.part=3", "speed=9"])
def test_an_invalid_override_is_refused(override: str) -> None:
    with pytest.raises(InvalidRecipe):
        parse_recipe(MINIMAL, [override])


def test_a_recipe_round_trips_through_toml() -> None:
    recipe = parse_recipe(MINIMAL, ["augmentation.shift=0.1", "schedule.name=cosine-warm-restarts"])
    assert parse_recipe(recipe.to_toml()) == recipe


def test_the_normalisation_of_a_recipe_applies_to_its_images() -> None:
    recipe = parse_recipe(MINIMAL, ["mean=[0.5, 0.5, 0.5]", "std=[0.5, 0.5, 0.4]"])
    assert (recipe.image.mean, recipe.image.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.4))
    assert parse_recipe(MINIMAL).image == ImageSpec(size=64)
    assert parse_recipe(recipe.to_toml()) == recipe


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRecipe, match=r"Could not read the recipe .*nothing\.toml"):
        read_recipe(tmp_path / "nothing.toml")


def test_a_changed_protocol_changes_nothing_else() -> None:
    recipe = parse_recipe(MINIMAL, ["split.seed=9"])
    leaky = recipe.with_protocol(SplitProtocol.IMAGE)
    assert leaky.split.protocol is SplitProtocol.IMAGE
    assert leaky.with_protocol(SplitProtocol.LOCATION) == recipe


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_are_valid_and_named_by_their_file(path: Path) -> None:
    joined = "-".join(path.relative_to(EXPERIMENTS).with_suffix("").parts)
    assert read_recipe(path).name in (path.stem, joined)


def test_every_network_of_the_study_has_a_shipped_recipe() -> None:
    assert {read_recipe(path).network for path in SHIPPED} >= set(STUDY_NETWORKS)


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(parse_recipe(MINIMAL), "epochs", 4)  # noqa: B010 - mypy forbids the plain way
