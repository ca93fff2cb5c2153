"""Keys of the object store. A key is a function of what it holds."""

from euguess.messages.collection import SlotKey

DATASETS = "datasets/"
AUDIT_LOG = "audit/promotions/"
GAMES = "games/"


def dataset_prefix(dataset: str) -> str:
    return f"{DATASETS}{dataset}/"


def spec_key(dataset: str) -> str:
    """DatasetSpec, written once."""
    return f"{dataset_prefix(dataset)}dataset.json"


def stopped_key(dataset: str) -> str:
    """Present while the collection is stopped."""
    return f"{dataset_prefix(dataset)}stopped.json"


def budget_key(dataset: str) -> str:
    """Budget that replaces the one of the spec."""
    return f"{dataset_prefix(dataset)}budget.json"


def images_prefix(dataset: str) -> str:
    return f"{dataset_prefix(dataset)}images/"


def receipts_prefix(dataset: str) -> str:
    """Receipts by place, written before its images are bought under a budget."""
    return f"{dataset_prefix(dataset)}receipts/"


def locations_prefix(dataset: str) -> str:
    return f"{dataset_prefix(dataset)}locations/"


def location_key(dataset: str, country_code: str, location_id: str) -> str:
    """LocationRecord, written after its images."""
    return f"{locations_prefix(dataset)}{country_code}/{location_id}.json"


def view_key(
    dataset: str, country_code: str, location_id: str, heading: float, repeat: int = 0
) -> str:
    """One image; repeat counts further images of the same heading at a place (imports)."""
    name = f"{heading:g}" + (f"-{repeat + 1}" if repeat else "")
    return f"{dataset_prefix(dataset)}images/{country_code}/{location_id}/{name}.jpg"


def slots_prefix(dataset: str) -> str:
    return f"{dataset_prefix(dataset)}slots/"


def slot_key(dataset: str, slot: SlotKey) -> str:
    """Final SlotOutcome of a slot, written once."""
    return f"{slots_prefix(dataset)}{slot.country_code}/{slot.index}.json"


def manifest_key(dataset: str) -> str:
    """Parquet index, one row per view."""
    return f"{dataset_prefix(dataset)}manifest.parquet"


def audit_key(number: int) -> str:
    """One entry of the audit log, created once; numbers count from 1 without gaps."""
    return f"{AUDIT_LOG}{number:08}.json"


def game_key(game_id: str) -> str:
    """Result of one played game, created once."""
    return f"{GAMES}{game_id}.json"
