"""Compare a candidate with the champion on locations that are new to both, and promote it.

The gate of euguess.promotion decides; the verdict is in the audit log either way.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from numpy.typing import NDArray

from euguess.images.postprocessing import log_softmax
from euguess.messages.records import MAX_VIEWS
from euguess.promotion import gate
from euguess.promotion.audit import StoredAuditLog
from euguess.promotion.gate import PromotionRequest
from euguess.promotion.verdict import (
    Contest,
    NewCountries,
    NotComparable,
    Verdict,
    lacks_countries,
)
from euguess.promotion.versions import RegisteredVersion
from euguess.training.report import Places
from services.trainer.cache.decoding import OnDamage
from services.trainer.dataset.view_index import Strings, ViewIndex
from services.trainer.devices import on_device
from services.trainer.errors import Diverged
from services.trainer.evaluation.bootstrap import bootstrap_interval, paired_difference
from services.trainer.evaluation.evaluation import predict_logits
from services.trainer.evaluation.metrics import fuse_views
from services.trainer.loading.batches import DeviceImages, Pixels
from services.trainer.loading.split_data import first_views, hashed_views, subset
from services.trainer.models.stored_model import StoredModel, load_model
from services.trainer.session import Session, load_cache
from services.trainer.splits.leaks import unseen_locations

# If two models are equally good, the gate promotes the newer one in 2 to 3 % of cases, as its
# interval promises; with 8 places, it would be up to 5 % (1,500 simulated contests for each number
# of places from 8 to 100, with models that differ on 10, 30 and 50 % of the places).
MIN_PLACES = 30


@dataclass(frozen=True)
class Contender:
    """A model and the photos of a dataset in its image size."""

    model: StoredModel
    views: ViewIndex
    pixels: Pixels  # N x S x S x 3

    @property
    def codes(self) -> Strings:
        """The countries that the model knows, in label order."""
        return np.array([country.country_code for country in self.model.card.countries])


def compare_models(
    challenger: StoredModel,
    champion: StoredModel,
    dataset: str,
    session: Session,
    on_damage: OnDamage = OnDamage.RAISE,
) -> Contest:
    """Compare the accuracies of both models on the locations that are new to both.

    Locations in countries that both can name decide; those that only the challenger can name are
    measured apart. Every location counts against the champion if its outputs are not finite
    numbers. Raises NotComparable if the challenger lacks a country of the champion, if its outputs
    are not finite, if there are too few locations, or if places are unknown.
    """
    _require_countries(challenger, champion)
    models = (challenger, champion)
    caches = [load_cache(dataset, m.card.image, session, on_damage=on_damage) for m in models]
    contenders = [
        Contender(m, hashed_views(c), c.images) for m, c in zip(models, caches, strict=True)
    ]
    require_known_places(contenders[0].views, dataset)
    found = contest_places(*contenders)
    places = found.decisive
    if len(places) < MIN_PLACES:
        raise NotComparable(_too_few(len(places), dataset))
    session.display.note(f"Comparing with the champion on {len(places)} places new to both")
    first, second = hits_of_both(contenders, places, session.device, session.display.note)
    return Contest(
        dataset=dataset,
        manifest_digest=caches[0].header.manifest_digest,
        places=len(places),
        challenger=bootstrap_interval(first, places),
        champion=bootstrap_interval(second, places),
        difference=paired_difference(first, second, places),
        countries=tuple(sorted(contenders[1].codes.tolist())),
        new_countries=tuple(_new_countries(contenders, found.new, session.device)),
        left_out=found.left_out,
    )


@dataclass(frozen=True)
class ContestPlaces:
    """Sorted ids of the locations new to both models, by who can name their country.

    left_out: the number of locations by country, for those that neither can name.
    """

    decisive: Strings
    new: Strings
    left_out: dict[str, int]


def contest_places(challenger: Contender, champion: Contender) -> ContestPlaces:
    """Sort the locations that are new to both by who can name their country."""
    index = challenger.views
    new = common_locations(challenger, champion)
    ids, rows = np.unique(index.location_ids, return_index=True)
    codes = index.country_codes[rows[np.isin(ids, new)]]
    by_both = np.isin(codes, champion.codes) & np.isin(codes, challenger.codes)
    by_one = np.isin(codes, challenger.codes) & ~by_both
    neither = codes[~np.isin(codes, challenger.codes)]
    return ContestPlaces(new[by_both], new[by_one], dict(Counter(neither.tolist())))


def common_locations(challenger: Contender, champion: Contender) -> Strings:
    """Return the sorted ids of the locations new to both.

    If either model's split keeps a distance between train and test, so does this selection.
    """
    contenders = (challenger, champion)
    apart_km = max(contender.model.recipe.split.spec.apart_km for contender in contenders)
    new = [
        unseen_locations(one.views, other.model.seen, apart_km)
        for one in contenders
        for other in contenders
    ]
    return np.asarray(reduce(np.intersect1d, new))


def location_hits(contender: Contender, places: Strings, device: torch.device) -> NDArray[np.bool_]:
    """Return whether the model names the country of each place (sorted ids), views fused.

    Raises Diverged if the model's outputs are not finite numbers.
    """
    rows = first_views(contender.views, MAX_VIEWS)
    rows = rows[np.isin(contender.views.location_ids[rows], places)]
    index = subset(contender.views, rows)
    unused = np.zeros(len(rows), dtype=np.int64)  # labels of the photos; countries differ by model
    images = DeviceImages(contender.pixels[rows], unused, contender.model.card.image, device)
    network = on_device(contender.model.network, device).eval()
    logits = predict_logits(network, images, np.arange(len(rows)))
    fused = fuse_views(log_softmax(logits), index.location_ids, views=MAX_VIEWS)
    named = contender.codes[fused.log_probabilities.argmax(axis=1)]
    return np.asarray(named == index.country_codes[fused.first_rows])


def hits_of_both(
    contenders: Sequence[Contender],
    places: Strings,
    device: torch.device,
    note: Callable[[str], None],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the hits of challenger and champion. Raises NotComparable if the challenger diverged.

    A champion that diverged must not keep its place because of that: it has no hits.
    """
    challenger, champion = contenders
    try:
        first = location_hits(challenger, places, device)
    except Diverged as error:
        raise NotComparable(str(error)) from None
    try:
        return first, location_hits(champion, places, device)
    except Diverged:
        note("The champion's outputs are not finite numbers, so it counts as always wrong")
        return first, np.zeros(len(places), dtype=np.bool_)


def _require_countries(challenger: StoredModel, champion: StoredModel) -> None:
    known, wanted = (
        {country.country_code for country in model.card.countries}
        for model in (challenger, champion)
    )
    if wanted - known:
        raise NotComparable(f"it {lacks_countries(wanted - known)}")


def _new_countries(
    contenders: Sequence[Contender], places: Strings, device: torch.device
) -> Iterator[NewCountries]:
    """Yield the challenger's accuracy in the countries that it adds, if it adds any."""
    challenger, champion = contenders
    added = sorted(set(challenger.codes.tolist()) - set(champion.codes.tolist()))
    if added:
        hits = location_hits(challenger, places, device) if len(places) else None
        accuracy = None if hits is None else bootstrap_interval(hits, places)
        yield NewCountries(countries=tuple(added), places=len(places), accuracy=accuracy)


def require_known_places(views: ViewIndex, dataset: str) -> None:
    """Raise NotComparable if nobody knows which photos of the dataset show the same place."""
    if views.places is Places.UNKNOWN:
        raise NotComparable(
            f"nothing tells which photos of dataset {dataset!r} show the same place, so they may "
            "show places that the models were trained on; name another dataset with --on"
        )


def _too_few(places: int, dataset: str) -> str:
    return (
        f"dataset {dataset!r} has only {places} places that are new to both models, in countries "
        f"that both can name, and at least {MIN_PLACES} are needed; train it with the champion's "
        "[split] (same protocol, seed and fractions) on the same dataset, collect more places, or "
        "name a dataset with new places: "
        "`euguess models promote VERSION --on DATASET`"
    )


def promote(
    request: PromotionRequest,
    dataset: str,
    session: Session,
    on_damage: OnDamage = OnDamage.RAISE,
) -> Verdict:
    """Promote the candidate if it beats the champion on a dataset; log the verdict either way."""

    def compare(champion: RegisteredVersion) -> Contest:
        challenger = load_model(request.candidate.run_id, session)
        present = load_model(champion.run_id, session)
        return compare_models(challenger, present, dataset, session, on_damage)

    return gate.promote(request, session.registry, StoredAuditLog(session.store), compare)
