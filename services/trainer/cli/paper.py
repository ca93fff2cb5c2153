"""The command `paper`: reproduce the study's experiments."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euguess.settings import HomeSettings
from services.trainer.cli.options import (
    AsJson,
    Dataset,
    Device,
    SkipDamaged,
    console,
    damage_policy,
    open_session,
    print_json,
)

if TYPE_CHECKING:
    from services.trainer.paper.run import Paper, Result

PAPERS = "papers"

Renewal = Annotated[str | None, typer.Option(help="Dataset of new places to test every model on")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a key of all recipes: --set weights=none"),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        help="Run only these recipes: --only 'study/table2-*' --only fixed/all; study/loading is "
        "the measurement of loading times"
    ),
]
Out = Annotated[
    Path | None, typer.Option(help="Folder for the report; by default papers/DATASET in the home")
]
RecipesFolder = Annotated[
    Path | None, typer.Option(help="Folder with study/ and fixed/; by default experiments")
]


def paper(
    dataset: Dataset,
    renewal: Renewal = None,
    overrides: Changes = None,
    only: Only = None,
    out: Out = None,
    recipes: RecipesFolder = None,
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Reproduce the study's tables and figures on a dataset, with its faults and without each one.

    Writes report.md and report.html, which show the study's figures beside ours. Finished runs of
    the same recipes on the same data are reused and interrupted ones resumed, so rerun the
    command until all experiments are done. docs/how-to/reproduce-the-study.md lists the runs and
    their durations. A quick test:

      paper demo --only 'study/table2-*' --set network=smallnet --set weights=none --set epochs=3
    """
    from euguess.clock import utc_now
    from euguess.process.project import project_root
    from euguess.training.study_facts import LOADING
    from services.trainer.paper.report import write_report
    from services.trainer.paper.run import PaperRequest, is_wanted, read_experiments, run_paper

    folder = recipes or project_root() / "experiments"
    changes, on_damage = tuple(overrides or ()), damage_policy(skip_damaged)
    experiments = read_experiments(folder, changes, only or [])
    has_loading = is_wanted(LOADING, only or [])
    request = PaperRequest(dataset, experiments, renewal, changes, on_damage, has_loading)
    found = run_paper(request, open_session(device))
    target = out or HomeSettings().home / PAPERS / dataset
    text, page = write_report(found, target, utc_now())
    if as_json:
        print_json(_summary(found) | {"report": str(text), "page": str(page)})
    else:
        _print(found, text, page)


def _summary(found: "Paper") -> dict[str, Any]:
    times = found.loading
    loading = None if times is None else asdict(times) | {"ratio": times.ratio}
    return {"results": [_facts(result) for result in found.results], "loading": loading}


def _facts(result: "Result") -> dict[str, Any]:
    experiment, finding = result.experiment, result.finding
    facts: dict[str, Any] = {"recipe": experiment.stem, "missing": result.missing}
    if finding is None:
        return facts
    report, renewal = finding.report, finding.renewal
    return facts | {
        "run_id": report.run_id,
        "is_reused": finding.is_reused,
        "is_honest": report.is_honest,
        "faults": report.faults,
        "leaks": report.leaks,
        "mean_of_batches": report.mean_of_batches,
        "single_view": report.metrics,
        "all_views": report.fused[-1].metrics,
        "renewal": renewal.metrics if renewal else None,
    }


def _print(found: "Paper", text: Path, page: Path) -> None:
    findings = [result.finding for result in found.results if result.finding]
    reused = sum(finding.is_reused for finding in findings)
    console.print(
        f"{len(findings)} of {len(found.results)} experiments are done, {reused} of them reused "
        "from earlier runs."
    )
    for result in found.results:
        if result.missing:
            console.print(f"Left out {result.experiment.stem}: {result.missing}", markup=False)
    console.print(f"{text}\n{page}", highlight=False, markup=False, soft_wrap=True)
