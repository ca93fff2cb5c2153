"""How a recipe names weights."""

from pathlib import Path

SAFETENSORS, PICKLES = ".safetensors", (".pth", ".pt")


def is_weights_file(weights: str) -> bool:
    """Return whether weights names a file, by its suffix; other texts are names of weights."""
    return Path(weights).suffix in (SAFETENSORS, *PICKLES)
