"""Sections on the study's other experiments: quotas, tuning, perspectives, loading times."""

import statistics
from collections.abc import Iterator

from euguess.geography.countries import EU32, QUOTAS, SizeClass
from euguess.promotion.verdict import points
from euguess.training.study_facts import (
    ALL_REMOVED,
    BEFORE_TUNING,
    GAIN_OF_PERSPECTIVES,
    JPEG_TIMES,
    ONE_VIEW,
    PERSPECTIVES,
    PHOTOS,
    PLACES,
    PLACES_REPORTED,
    TABLES,
    TENSOR_TIMES,
    TUNING,
    ReportedTime,
)
from services.trainer.models.paired import common_photos_difference
from services.trainer.paper.contents import Contents
from services.trainer.paper.loading import LoadingTimes
from services.trainer.paper.run import Paper, RecipeResult
from services.trainer.paper.tables import (
    ABSENT,
    PAIRED,
    TOP1,
    UNPAIRED,
    difference,
    duration,
    share,
    test_part,
)
from services.trainer.reports.markdown import markdown_table
from services.trainer.reports.tables import percent

REPORTED = {run.recipe: run.accuracy for table in TABLES for run in table.runs}
MEGABYTE = 1_000_000


def quotas(paper: Paper) -> str:
    """Return Table 1: the places of each size class, beside those of our dataset."""
    header = ["size class", "study, places per country", "countries", "study, in all"]
    header += ["ours, places", "ours, photos"]
    rows = [_quota_row(size, paper.contents) for size in SizeClass]
    return "\n\n".join(
        (
            "## Table 1: places per country",
            markdown_table(header, [*rows, _total_row(paper.contents)], align="lrlrrr"),
            f"The study's code collects {PLACES:,} places, its report says {PLACES_REPORTED:,}. "
            "Its Table 1 also lists Ireland with 369 places, which its code does not collect.",
        )
    )


def tuning(paper: Paper) -> str:
    """Return the section on changes to GoogLeNet before tuning; empty if none was run."""
    if not any(paper.finding(one.recipe) for one in TUNING):
        return ""
    base = paper.finding(BEFORE_TUNING)
    header = ["GoogLeNet before tuning, but", "study", "ours, one view", "difference, points"]
    header += ["compared on", "tensor cache", "test set"]
    first = ["nothing else (GoogleNet3)", share(REPORTED[BEFORE_TUNING]), *_cells(base, None)]
    rows = [
        [one.change, one.said, *_cells(paper.finding(one.recipe), base)]
        for one in TUNING
        if paper.finding(one.recipe)
    ]
    return "\n\n".join(
        (
            "## Image size, optimiser and schedule",
            markdown_table(header, [first, *rows]),
            "The study's figures compare three GoogLeNets. The third is the one before tuning; how "
            "the first and second differ from it is not written down. Adam and the tuned run's "
            "schedule are the alternatives in its code. Adam starts from a learning rate of "
            "0.0005. Each row is one run with one seed: its interval says how uncertain the test "
            "is, not how much another seed would change.",
        )
    )


def perspectives(paper: Paper) -> str:
    """Return the section on three perspectives against one; empty without any comparison."""
    rows = [*_honest_rows(paper), *_study_rows(paper)]
    if not rows:
        return ""
    header = ["comparison", "study, points", "ours, points", "ours, relative", "compared on"]
    return "\n\n".join(
        (
            "## What three perspectives are worth",
            markdown_table(header, rows),
            f"The study says that accuracy is around {100 * GAIN_OF_PERSPECTIVES:.0f} % higher "
            "with three perspectives. Its tests with three headings are leaky, those with one "
            "hardly: part of that gain is places that the network knew. The first rows are free of "
            "that, and their intervals are over places.",
        )
    )


def loading(times: LoadingTimes | None) -> str:
    """Return the section on loading times; empty if they were not measured."""
    if times is None:
        return ""
    header = ["what", "source", "photos/s", f"{PHOTOS:,} photos"]
    reported = [_reported_row(one) for one in (*JPEG_TIMES, *TENSOR_TIMES)]
    rows = [
        _measured_row("load all JPEGs", times.jpegs, times),
        _measured_row("load the tensor cache", times.cache, times),
    ]
    low, high = times.ratios
    slow = JPEG_TIMES[0]
    told = [one.photos_per_second / slow.photos_per_second for one in TENSOR_TIMES]
    return "\n\n".join(
        (
            "## Loading times: JPEGs against cached tensors",
            markdown_table(header, [*reported, *rows], align="llrr"),
            f"The cache loads **{times.ratio:,.0f} times** as fast as the JPEGs (between "
            f"{low:,.0f} and {high:,.0f} times in {len(times.jpegs)} repetitions). In the study it "
            f"was {told[0]:,.0f} times by its poster and {told[1]:,.0f} times by its log.",
            f"Ours: {times.photos:,} photos at {times.size} px, one after the other, medians of "
            f"{len(times.jpegs)} repetitions; both had been read before, so that the system had "
            "them in memory. The study read from a network drive, where each file costs more.",
        )
    )


def _quota_row(size: SizeClass, contents: Contents) -> list[str]:
    codes = [country.code for country in EU32 if country.size_class is size]
    return [
        size.value,
        str(QUOTAS[size]),
        " ".join(codes),
        f"{QUOTAS[size] * len(codes):,}",
        f"{sum(contents.places.get(code, 0) for code in codes):,}",
        f"{sum(contents.photos.get(code, 0) for code in codes):,}",
    ]


def _total_row(contents: Contents) -> list[str]:
    ours = (sum(contents.places.values()), sum(contents.photos.values()))
    return ["all", "", str(len(EU32)), f"{PLACES:,}", *(f"{count:,}" for count in ours)]


def _cells(finding: RecipeResult | None, base: RecipeResult | None) -> list[str]:
    if finding is None:
        return [ABSENT] * 5
    change, how = ABSENT, ABSENT
    if base is not None:
        interval, is_paired = difference(finding, base)
        change, how = points(interval), PAIRED if is_paired else UNPAIRED
    report = finding.report
    pixels = report.image_size**2 * sum(part.images for part in report.parts.values())
    accuracy = percent(report.metrics[TOP1])
    return [accuracy, change, how, f"{3 * pixels / MEGABYTE:,.1f} MB", test_part(report)]


def _honest_rows(paper: Paper) -> Iterator[list[str]]:
    three, one = paper.finding(ALL_REMOVED), paper.finding(ONE_VIEW)
    if three is not None and (fused := three.report.fused[-1]).gain is not None:
        label = f"test on {fused.views} views of a new place, not one (all faults removed)"
        single = three.report.fused[-1].metrics[TOP1].value - fused.gain.value
        how = f"same {fused.locations:,} places, paired"
        yield [label, ABSENT, points(fused.gain), _relative(fused.gain.value, single), how]
    if three is None or one is None or three.answers is None or one.answers is None:
        return
    common = common_photos_difference(three.answers, one.answers)
    if common is not None:
        label = "train on three views of a place, not one; tested on one (all faults removed)"
        how = f"same {common.photos:,} photos of new places, paired"
        relative = _relative(common.interval.value, common.second)
        yield [label, ABSENT, points(common.interval), relative, how]


def _study_rows(paper: Paper) -> Iterator[list[str]]:
    for name, (every, one, third) in PERSPECTIVES.items():
        for label, stem in (("all places", every), ("a third of the places", third)):
            first, second = paper.finding(stem), paper.finding(one)
            if first is None or second is None:
                continue
            interval, is_paired = difference(first, second)
            told = REPORTED[stem] - REPORTED[one] if stem in REPORTED else None
            said = ABSENT if told is None else f"{100 * told:+.1f}"
            relative = _relative(interval.value, second.report.metrics[TOP1].value)
            what = f"{name}: three headings of {label} against one of all"
            leaky = ", leaky" if first.report.leaks else ""
            how = (PAIRED if is_paired else UNPAIRED) + leaky
            yield [what, said, points(interval), relative, how]


def _relative(gain: float, base: float) -> str:
    return f"{100 * gain / base:+.0f} %" if base > 0 else ABSENT


def _reported_row(one: ReportedTime) -> list[str]:
    scaled = sorted({duration(seconds * PHOTOS / one.photos) for seconds in one.seconds})
    return [one.step, f"study, {one.source}", _rate(one.photos_per_second), " to ".join(scaled)]


def _measured_row(step: str, seconds: tuple[float, ...], times: LoadingTimes) -> list[str]:
    rate = times.photos / statistics.median(seconds)
    return [step, "ours", _rate(rate), duration(PHOTOS / rate)]


def _rate(photos_per_second: float) -> str:
    digits = 0 if photos_per_second >= 10 else 1
    return f"{photos_per_second:,.{digits}f}"
