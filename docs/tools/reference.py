"""Write the generated reference pages: python -m docs.tools.reference."""

import sys
from collections.abc import Callable
from pathlib import Path

from docs.tools import cli_page, http_page, messages_page, recipe_page, settings_page

FOLDER = Path(__file__).resolve().parent.parent / "reference"

PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page.render,
    "recipe.md": recipe_page.render,
    "cli.md": cli_page.render,
    "service-commands.md": cli_page.render_services,
    "http-api.md": http_page.render,
    "messages.md": messages_page.render,
}


def main() -> None:
    """Write every page that is out of date, and print its name."""
    for name, render in PAGES.items():
        path, text = FOLDER / name, render()
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"wrote {path}\n")


if __name__ == "__main__":
    main()
