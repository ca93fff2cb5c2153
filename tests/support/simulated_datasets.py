"""Datasets of the simulator's scenes, drawn directly into a store."""

import numpy as np

from euguess.geography.locations import Coordinate
from euguess.storage import ObjectStore
from services.simulator.imagery import View
from services.simulator.pano_ids import Cell, encode_pano_id
from services.simulator.scenes.renderer import DrawnImagery
from services.simulator.world import Panorama
from tests.support.stored_datasets import DatasetBuilder

WORLD_SEED = 0
SIDE = 128  # pixels; drawing costs a quarter as much as at 640


class SimulatedDataset(DatasetBuilder):
    """Writes places of one world; another seed gives other places in the same countries."""

    side = SIDE

    def __init__(self, store: ObjectStore, name: str, seed: int) -> None:
        super().__init__(store, name)
        self._rng = np.random.default_rng(seed)
        self._imagery = DrawnImagery(seed=WORLD_SEED)
        self._panoramas: dict[str, Panorama] = {}

    async def add_location(self, code: str, index: int, *, panorama: str | None = None) -> str:
        found = self._discover(code)
        self._panoramas[f"{self.provider}-{found.pano_id}"] = found
        return await super().add_location(code, index, panorama=found.pano_id)

    def _discover(self, code: str) -> Panorama:
        """Return a panorama anywhere; of its coordinate, only the latitude shows slightly."""
        row, column = (int(number) for number in self._rng.integers(12_500, 16_000, size=2))
        place = Coordinate(float(self._rng.uniform(40, 60)), 5.0)
        return Panorama(encode_pano_id(Cell(row, column), WORLD_SEED), place, code, "2020-05")

    def _photo(self, code: str, location_id: str, heading: int) -> bytes:
        return self._imagery.picture(self._panoramas[location_id], View(SIDE, SIDE, heading))
