"""Fake services with photos that the champion has not seen."""

import asyncio

from euguess.collection.layout import location_key, manifest_key
from euguess.collection.manifest_format import digest_of, encode_manifest, rows_of, table_of
from euguess.messages.collection import LocationRecord
from euguess.messages.training import SeenViews
from tests.support.dashboard_services import FakeServices, model_card
from tests.support.stored_datasets import DatasetBuilder

PLACES = 12


def services(**changes: object) -> FakeServices:
    """Store a dataset of twelve places, two of which the champion has seen."""
    made = FakeServices(card=model_card("FR", "PL"), **changes)  # type: ignore[arg-type] # fields

    async def build() -> None:
        builder = DatasetBuilder(made.objects)
        await builder.create({"FR": PLACES})
        ids = [await builder.add_location("FR", index) for index in range(PLACES)]
        keys = [location_key("demo", "FR", name) for name in ids]
        records = [LocationRecord.model_validate_json(await made.objects.get(k)) for k in keys]
        table = table_of([row for record in records for row in rows_of(record)])
        await made.objects.put(manifest_key("demo"), encode_manifest(table, digest_of(table)))

    asyncio.run(build())
    made.seen = SeenViews(location_ids=("simulator-FR0", "simulator-FR1"), sha256s=())
    return made
