"""Keys of the object store. A key is a function of its content."""

from euguess.messages.collection import SlotKey

DATASETS = "datasets/"
AUDIT_LOG = "audit/promotions/"
GAMES = "games/"


def dataset_prefix(dataset: str) -> str:
    return f"{DATASETS}{dataset}/"


def spec_key(dataset: str) -> str:
    """Key of the DatasetSpec, written once."""
    return f"{dataset_prefix(dataset)}dataset.json"


def stopped_key(dataset: str) -> str:
    """Key that exists while the collection is stopped."""
    return f"{dataset_prefix(dataset)}stopped.json"


def budget_key(dataset: str) -> str:
    """Key of the budget that replaces the one in the spec."""
    return f"{dataset_prefix(dataset)}budget.json"


def images_prefix(dataset: str) -> str:
    return f"{dataset_prefix(dataset)}images/"


def receipts_prefix(dataset: str) -> str:
    """Prefix of receipts by location, written before images are bought."""
    return f"{dataset_prefix(dataset)}receipts/"


def locations_prefix(dataset: str) -> str:
    return f"{dataset_prefix(dataset)}locations/"


def location_key(dataset: str, country_code: str, location_id: str) -> str:
    """Key of a LocationRecord, written after its images."""
    return f"{locations_prefix(dataset)}{country_code}/{location_id}.json"


def view_key(
    dataset: str, country_code: str, location_id: str, heading: float, repeat: int = 0
) -> str:
    """Key of one image; repeat numbers further images of the same heading (in imports)."""
    name = f"{heading:g}" + (f"-{repeat + 1}" if repeat else "")
    return f"{dataset_prefix(dataset)}images/{country_code}/{location_id}/{name}.jpg"


def slots_prefix(dataset: str) -> str:
    return f"{dataset_prefix(dataset)}slots/"


def slot_key(dataset: str, slot: SlotKey) -> str:
    """Key of the final SlotOutcome of a slot, written once."""
    return f"{slots_prefix(dataset)}{slot.country_code}/{slot.index}.json"


def damaged_prefix(dataset: str) -> str:
    """Prefix of objects that a repair moved aside; the rest of their keys stays."""
    return f"{dataset_prefix(dataset)}damaged/"


def manifest_key(dataset: str) -> str:
    """Key of the Parquet index, one row per view."""
    return f"{dataset_prefix(dataset)}manifest.parquet"


def audit_key(number: int) -> str:
    """Key of an entry of the audit log, created once; numbered from 1 without gaps."""
    return f"{AUDIT_LOG}{number:08}.json"


def game_key(game_id: str) -> str:
    """Key of the result of one game, created once."""
    return f"{GAMES}{game_id}.json"
