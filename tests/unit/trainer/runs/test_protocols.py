"""Comparison of protocols: requests, tables and JSON."""

import io
import json

import pytest
from pydantic_core import to_json
from rich.console import Console
from torch import Tensor, nn

from euguess.errors import InvalidInput
from euguess.training.recipes.split_spec import SplitProtocol
from euguess.training.report import LeftOut
from services.trainer.evaluation.evaluation import evaluate
from services.trainer.reports.tables import percent
from services.trainer.runs.experiment import RunRequest
from services.trainer.runs.protocols import (
    MEANINGS,
    PROTOCOLS,
    ProtocolComparison,
    ProtocolResult,
    print_protocols,
    summaries,
)
from tests.support.tiny_training import tiny_recipe, tiny_split_data

REQUEST = RunRequest("tiny", tiny_recipe())


class Brightest(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3))


def line(protocol: SplitProtocol) -> ProtocolResult:
    recipe = tiny_recipe().with_protocol(protocol)
    return ProtocolResult(protocol, evaluate(Brightest(), tiny_split_data(recipe), recipe))


def test_all_protocols_are_measured_by_default_and_each_is_explained() -> None:
    assert ProtocolComparison(REQUEST).protocols == PROTOCOLS
    assert set(MEANINGS) == set(PROTOCOLS)


@pytest.mark.parametrize(
    ("protocols", "renewal", "said"),
    [(("luck",), None, "Unknown protocol 'luck'"), (PROTOCOLS, "tiny", "must differ")],
)
def test_invalid_comparisons_are_refused_before_training(
    protocols: tuple[str, ...], renewal: str | None, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        ProtocolComparison(REQUEST, protocols, renewal)


def test_the_table_shows_intervals_leaks_and_missing_protocols() -> None:
    lines = [line(SplitProtocol.IMAGE), line(SplitProtocol.LOCATION)]
    lines.append(ProtocolResult("renewal", missing="name a dataset"))
    console = Console(width=160, file=io.StringIO(), record=True)
    print_protocols(console, lines)
    text = console.export_text()
    assert "LEAKY (location)" in text
    assert "honest" in text
    assert "name a dataset" in text
    assert lines[1].report is not None
    assert percent(lines[1].report.metrics["top1_accuracy"]) in text


def test_table_and_json_say_what_the_renewal_did_not_test() -> None:
    renewed = line(SplitProtocol.LOCATION).report
    assert renewed is not None
    left_out = (LeftOut(country_code="SE", locations=2, images=5),)
    renewed = renewed.model_copy(update={"left_out": left_out})
    lines = [ProtocolResult("renewal", renewed)]
    console = Console(width=160, file=io.StringIO(), record=True)
    print_protocols(console, lines)
    assert "Note on renewal: 2 new places (5 photos) in countries" in console.export_text()
    (found,) = json.loads(to_json(summaries(lines)))
    assert found["left_out"] == [{"country_code": "SE", "locations": 2, "images": 5}]
    assert found["caveats"] == list(renewed.caveats)


def test_json_summaries_include_missing_protocols() -> None:
    found = json.loads(
        to_json(summaries([line(SplitProtocol.LOCATION), ProtocolResult("renewal")]))
    )
    assert found[0]["is_honest"]
    assert found[0]["all_views"]["top1_accuracy"]["value"] == 1.0
    assert "run_id" not in found[1]


def test_the_recipe_digest_depends_on_the_split_but_not_the_name() -> None:
    recipe = tiny_recipe()
    assert recipe.digest == tiny_recipe("name=other").digest
    digests = {recipe.with_protocol(protocol).digest for protocol in SplitProtocol}
    assert len(digests) == len(SplitProtocol)
