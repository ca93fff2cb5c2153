"""The command `paper`: reproduce the study's experiments."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from euguess.errors import InvalidInput
from euguess.settings import AccessSettings, HomeSettings, ServiceSettings
from services.trainer.cli.options import (
    AsJson,
    Device,
    SkipDamaged,
    console,
    damage_policy,
    open_session,
    print_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.trainer.paper.collection import Needed
    from services.trainer.paper.run import Paper, Result
    from services.trainer.session import Session

PAPERS = "papers"

Dataset = Annotated[
    str | None,
    typer.Argument(help="Dataset; by default `study`, tested on `study-renewal` as well"),
]
Renewal = Annotated[str | None, typer.Option(help="Dataset of new places to test every model on")]
Provider = Annotated[str, typer.Option(help="Provider of the photos to collect")]
PerCountry = Annotated[
    int | None, typer.Option(min=1, help="Collect at most this many places per country")
]
Collect = Annotated[
    bool, typer.Option("--collect/--no-collect", help="Collect places that are not stored yet")
]
Yes = Annotated[bool, typer.Option("--yes", help="Collect without asking, also for money")]
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
    dataset: Dataset = None,
    renewal: Renewal = None,
    provider: Provider = "simulator",
    per_country: PerCountry = None,
    is_collecting: Collect = True,
    yes: Yes = False,
    overrides: Changes = None,
    only: Only = None,
    out: Out = None,
    recipes: RecipesFolder = None,
    skip_damaged: SkipDamaged = False,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Reproduce the study's tables and figures on a dataset, with its faults and without each one.

    Without a dataset it uses the study's 14,260 places and a renewal set of 1,097 new ones. What is
    missing of a dataset is collected by the running stack, after a plan with its price: from the
    simulator by default, for free. It asks before money is spent, and before it collects for a
    dataset that you name. Interrupt it and run it again to resume.

    Writes report.md and report.html, which show the study's figures beside ours. Finished runs of
    the same recipes on the same data are reused and interrupted ones resumed, so rerun the
    command until all experiments are done. docs/how-to/reproduce-the-study.md lists the runs and
    their durations. A quick test:

      paper demo --only 'study/table2-*' --set network=smallnet --set weights=none --set epochs=3
    """
    from euguess.clock import utc_now
    from euguess.process.project import project_root
    from euguess.training.study_facts import LOADING
    from services.trainer.paper.collection import Sources
    from services.trainer.paper.report import write_report
    from services.trainer.paper.run import PaperRequest, is_wanted, read_experiments, run_paper

    sources = Sources(provider, per_country)
    needed = [sources.study(dataset)]
    if dataset is None or renewal is not None:
        needed.append(sources.renewal(renewal))
    names = [each.spec.name for each in needed]
    changes, patterns = tuple(overrides or ()), only or []
    request = PaperRequest(
        names[0],
        read_experiments(recipes or project_root() / "experiments", changes, patterns),
        renewal=names[1] if len(names) > 1 else None,
        overrides=changes,
        on_damage=damage_policy(skip_damaged),
        has_loading=is_wanted(LOADING, patterns),
    )
    session = open_session(device)
    if is_collecting:
        _collect(needed, session, is_confirmed=yes)
    found = run_paper(request, session)
    target = out or HomeSettings().home / PAPERS / request.dataset
    text, page = write_report(found, target, utc_now())
    if as_json:
        print_json(_summary(found) | {"report": str(text), "page": str(page)})
    else:
        _print(found, text, page)


def _collect(needed: "Sequence[Needed]", session: "Session", *, is_confirmed: bool) -> None:
    """Complete the datasets by the running stack, or check that they are complete."""
    from euguess.clients import SamplerClient
    from services.trainer.paper.collection import Collector, require_complete

    url = ServiceSettings.load().sampler_url
    if not url:
        require_complete(needed, session.store)
        return
    with SamplerClient(url, token=AccessSettings.load().access_token) as sampler:
        confirm = _nothing if is_confirmed else ask
        Collector(sampler, session.display, confirm).complete(needed)


def _nothing() -> None:
    """Ask nothing."""


def ask() -> None:
    """Ask whether to go on. Raises InvalidInput if the answer is no, or nobody can be asked."""
    if not sys.stdin.isatty():
        raise InvalidInput(
            "Nothing was collected: this needs your consent. Check the plan and add --yes, or add "
            "--no-collect to use what is stored."
        )
    if not typer.confirm("Collect this?", err=True):
        raise InvalidInput("Nothing was collected. Add --no-collect to use what is stored.")


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
