"""Pictures without imagery: the grey "no imagery" one and error messages as pictures."""

from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from services.simulator.jpeg import encode_picture

GREY = (228, 227, 223)  # covers 97 % of the real placeholder
INK = (117, 117, 117)
NO_IMAGERY = "Sorry, we have no imagery here."
MISSING_KEY = (
    "The Google Maps Platform server rejected your request.\n"
    "You must use an API key to authenticate each request.\n"
    "g.co/streetviewerror/NoApiKeys"
)


@lru_cache(maxsize=64)
def text_picture(text: str, width: int, height: int) -> bytes:
    """A grey JPEG with a centred text and the provider's marks at the bottom."""
    picture = Image.new("RGB", (width, height), GREY)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(max(6, width // 32))
    pen.multiline_text((width / 2, height / 2), text, INK, font, anchor="mm", align="center")
    small = ImageFont.load_default(max(6, width // 48))
    pen.text((width * 0.02, height * 0.97), "Google", INK, small, anchor="ls")
    pen.text((width * 0.98, height * 0.97), "© 2026 Google", INK, small, anchor="rs")
    return encode_picture(picture, quality=85)
