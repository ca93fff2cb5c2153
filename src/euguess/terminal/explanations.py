"""Output of explanations: a heat map per view, and a table of what each view adds."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from euguess.errors import InvalidInput
from euguess.messages.serving import Explanation
from euguess.terminal.output import console, print_json

FOLDER = Path("explanations")


def show(
    explanation: Explanation,
    views: Sequence[bytes],
    images: Sequence[Path],
    out: Path,
    *,
    as_json: bool,
) -> None:
    """Write a picture per view to a folder and print the explanation.

    views: bytes of the images, in the same order. Raises InvalidInput if `out` is not a folder.
    """
    pictures = _write(explanation, views, images, out)
    if as_json:
        print_json(explanation.model_dump(mode="json") | {"pictures": [str(p) for p in pictures]})
    else:
        console.print(explanation_table(explanation, images))
        console.print(f"Heat maps ({explanation.method}): {out}", highlight=False)


def explanation_table(explanation: Explanation, images: Sequence[Path]) -> Table:
    """Build a table of what each view adds to the probability of the country."""
    title = f"{explanation.country} ({explanation.probability:.0%})"
    table = Table("view", title=title)
    table.add_column("adds, in points", justify="right")
    for image, view in zip(images, explanation.views, strict=True):
        share = "only view" if view.effect is None else f"{100 * view.effect:+.1f}"
        table.add_row(image.name, share)
    return table


def _write(
    explanation: Explanation, views: Sequence[bytes], images: Sequence[Path], out: Path
) -> list[Path]:
    from euguess.images.decoding import PhotoDecoder  # loads numpy and Pillow
    from euguess.images.overlays import SIDE, overlay

    pictures = [out / f"view{i}-{image.stem}.png" for i, image in enumerate(images, start=1)]
    decoder = PhotoDecoder()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, photo, view in zip(pictures, views, explanation.views, strict=True):
            overlay(decoder.decode_photo(photo, SIDE), view.heat_map).save(path)
    except OSError as error:
        raise InvalidInput(f"{out}: {error.strerror}. Choose another folder with --out.") from None
    return pictures
