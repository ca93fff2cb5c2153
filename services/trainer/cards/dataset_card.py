"""The datasheet of a dataset as Markdown (Gebru et al., Datasheets for Datasets, 2021)."""

from collections.abc import Iterable, Mapping

from euguess.collection.providers import ProviderName
from euguess.geography.countries import country
from services.trainer.cards.dataset_facts import DatasetFacts
from services.trainer.reports.markdown import (
    NOT_RECORDED,
    bullets,
    escaped,
    front_matter,
    markdown_table,
)

SHOWN_ATTRIBUTIONS = 20
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LARGEST = "1M<n<10M"
USES = (
    "Meant for training and testing models that name the **country** of a photo.",
    "Must not be used to locate, follow or identify persons, vehicles or homes.",
    "Photos may show people, number plates and house numbers; whether the provider blurred them "
    f"is {NOT_RECORDED}.",
)


def dataset_card(facts: DatasetFacts, trained_on: str) -> str:
    """Write the card; all counts are from the manifest whose digest the card names.

    trained_on: the digest of the manifest that the model was trained on.
    """
    sections = (
        _header(facts),
        f"# Dataset card: {escaped(facts.spec.name)}",
        "Written by EUGuess from the dataset's own records.",
        *([_changed(trained_on)] if trained_on != facts.digest else []),
        "## Motivation\n\nPhotos of known country, so that a model can learn to name the country "
        f"of a new place. Who requested and paid for the collection: {NOT_RECORDED}.",
        _composition(facts),
        _countries(facts),
        _captured(facts.years),
        _collection(facts),
        _sources(facts),
        "## Uses\n\n" + bullets(USES),
        "## Known biases\n\n" + bullets(_biases(facts)),
        "## Maintenance\n\nThe dataset grows when more is collected or imported. Records never "
        "change, and the digest above identifies this state.",
    )
    return "\n\n".join(sections) + "\n"


def _changed(trained_on: str) -> str:
    return (
        "**The dataset changed during the training**: the counts below describe its present state; "
        f"those of the state that the model was trained on, manifest `{trained_on}`, are "
        f"{NOT_RECORDED}."
    )


def _header(facts: DatasetFacts) -> str:
    licences = sorted({source.license for source in facts.sources})
    return front_matter(
        {
            "pretty_name": facts.spec.name,
            "license": "other",
            "license_name": ", ".join(licences) or NOT_RECORDED,
            "task_categories": ["image-classification"],
            "size_categories": [_size_category(facts.photos)],
            "tags": ["street-level imagery", "country classification"],
        }
    )


def _size_category(photos: int) -> str:
    return next((name for limit, name in SIZES if photos < limit), LARGEST)


def _composition(facts: DatasetFacts) -> str:
    places = sum(facts.places.values())
    lines = (
        f"{facts.photos} photos of {places} places in {len(facts.places)} countries, "
        f"{facts.bytes / 1e6:.1f} MB",
        f"Places with known position: {facts.positioned}",
        f"Sizes in pixels: {_counts(facts.sizes)}",
        f"SHA-256 of the manifest: `{facts.digest}`",
        "Label: the country given by the person who imported the photo"
        if facts.is_imported
        else "Label: the country that the panorama's own coordinate lies in",
        "Split: none; each training splits the places by its recipe",
    )
    return "## Composition\n\n" + bullets(lines)


def _countries(facts: DatasetFacts) -> str:
    quotas = {} if facts.is_imported else facts.spec.quotas
    header = ["country", "places requested", "places stored"]
    rows = (
        [country(code).name, str(quotas.get(code, "-")), str(facts.places.get(code, 0))]
        for code in sorted({*quotas, *facts.places})
    )
    return "### Places by country\n\n" + markdown_table(header, rows)


def _captured(years: Mapping[str, int]) -> str:
    rows = ([escaped(year), str(years[year])] for year in sorted(years))
    return "### Photos by year of capture\n\n" + markdown_table(["year", "photos"], rows)


def _collection(facts: DatasetFacts) -> str:
    lines = _import_lines() if facts.is_imported else _sampling_lines(facts)
    return "## Collection\n\n" + bullets(lines)


def _import_lines() -> Iterable[str]:
    yield "Imported from labelled photos; they were not sampled by EUGuess"
    yield f"How they were chosen: {NOT_RECORDED}"
    yield f"Dates of the import: {NOT_RECORDED}"


def _sampling_lines(facts: DatasetFacts) -> Iterable[str]:
    spec = facts.spec
    headings = ", ".join(str(heading) for heading in spec.headings)
    yield (
        f"Random points, uniform in area within each country, {spec.border_buffer_km:g} km off its "
        f"borders (seed {spec.seed}); the panorama found within {spec.radius_m} m of a point"
    )
    yield f"At most {spec.max_candidates} points tried per place"
    yield (
        f"Headings {headings} degrees, {spec.fov} degrees of view, pitch {spec.pitch}, "
        f"{spec.size} pixels"
    )
    dates = facts.collected
    yield f"Collected: {f'{dates[0]:%Y-%m-%d} to {dates[1]:%Y-%m-%d}' if dates else NOT_RECORDED}"
    yield f"Rejected points by reason: {_counts(facts.rejections)}"


def _sources(facts: DatasetFacts) -> str:
    header = ["provider", "licence", "places", "photos"]
    rows = (
        [escaped(s.provider), escaped(s.license), str(s.places), str(s.photos)]
        for s in facts.sources
    )
    parts = ["## Sources and licences", markdown_table(header, rows)]
    parts.append(
        "Each photo keeps the licence and attribution of its provider. Check them before you share "
        "photos or a model trained on them. Attributions, by number of places:"
    )
    parts += [bullets(_attributions(source.attributions)) for source in facts.sources]
    return "\n\n".join(parts)


def _attributions(places: Mapping[str, int]) -> Iterable[str]:
    ordered = sorted(places, key=lambda text: (-places[text], text))
    for text in ordered[:SHOWN_ATTRIBUTIONS]:
        yield f"{escaped(text)}: {places[text]}"
    if len(ordered) > SHOWN_ATTRIBUTIONS:
        yield f"and {len(ordered) - SHOWN_ATTRIBUTIONS} more, listed in the manifest"


def _biases(facts: DatasetFacts) -> Iterable[str]:
    if any(source.provider == ProviderName.SIMULATOR for source in facts.sources):
        yield "**Photos from the simulator are generated** and say nothing about real streets"
    if facts.is_imported:
        yield "Shows what the photographers chose to photograph"
    else:
        yield "Covers only places where the provider has imagery, along roads, from its cameras"
        yield "Uniform in area: more countryside than cities, where most people live"
    counts = facts.places.values()
    yield (
        f"Countries have {min(counts)} to {max(counts)} places, regardless of area and population"
    )
    yield "Years and seasons of capture may differ by country; a model can learn these instead"


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    return ", ".join(f"{escaped(name)} ({counts[name]})" for name in ordered) or NOT_RECORDED
