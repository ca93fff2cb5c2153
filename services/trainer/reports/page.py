"""Render a report as one self-contained HTML file, with the template page.html.jinja."""

import base64
from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markupsafe import Markup

from services.trainer.reports import palette

TEMPLATE = "page.html.jinja"


def html_page(title: str, text: str, pictures: Iterable[Path]) -> str:
    """Render Markdown as a page with embedded pictures; HTML in the text is escaped."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    for path in pictures:
        data = base64.b64encode(path.read_bytes()).decode()
        body = body.replace(f'src="{path.name}"', f'src="data:image/png;base64,{data}"')
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    template = templates.get_template(TEMPLATE)
    return template.render(title=title, body=Markup(body), accent=palette.BLUE) + "\n"
