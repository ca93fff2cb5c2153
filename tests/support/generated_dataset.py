"""Datasets of any size without photos: only the specification and the manifest."""

import functools
import hashlib
from collections.abc import Iterator, Mapping

from euguess.collection.layout import manifest_key, spec_key, view_key
from euguess.collection.manifest_format import Row, digest_of, encode_manifest, table_of
from euguess.geography.boundaries import load_boundaries
from euguess.messages.collection import DatasetSpec
from services.sampler.candidates import CandidateSource

HEADINGS = (0, 120, 240)


def generated_objects(name: str, quotas: Mapping[str, int]) -> list[tuple[str, bytes]]:
    """Return keys and bytes of a dataset with random places within their countries."""
    spec = DatasetSpec(name=name, quotas=dict(quotas))
    table = table_of(list(generated_rows(name, quotas)))
    manifest = encode_manifest(table, digest_of(table))
    body = spec.model_dump_json().encode()
    return [(spec_key(name), body), (manifest_key(name), manifest)]


def generated_rows(name: str, quotas: Mapping[str, int]) -> Iterator[Row]:
    """Yield the rows of its manifest."""
    source = _source()
    for code, quota in quotas.items():
        points = source.draw(code, seed=1, slots=range(quota), first=0, count=1)
        for index, (lat, lon) in enumerate(points.reshape(-1, 2).tolist()):
            panorama = f"{hashlib.sha256(f'{code}{index}'.encode()).hexdigest()[:22]}"
            location_id = f"simulator-{panorama}"
            shared = {
                "location_id": location_id,
                "country_code": code,
                "lat": lat,
                "lon": lon,
                "provider": "simulator",
                "panorama_id": panorama,
                "captured_at": f"{2009 + index % 15}-06",
                "attribution": "EUGuess simulator",
                "license": "CC0-1.0",
                "slot_index": index,
            }
            for heading in HEADINGS:
                key = view_key(name, code, location_id, heading)
                sha256 = hashlib.sha256(key.encode()).hexdigest()
                yield shared | _view(key, heading, sha256)


@functools.cache
def _source() -> CandidateSource:
    return CandidateSource(load_boundaries(), 2.0)


def _view(key: str, heading: int, sha256: str) -> Row:
    return {
        "key": key,
        "heading": float(heading),
        "sha256": sha256,
        "bytes": 80_000,
        "width": 640,
        "height": 640,
    }
