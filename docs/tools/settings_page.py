"""The reference page of the settings."""

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from docs.tools.markdown import code, page, table
from euguess import settings
from euguess.settings import ENV_PREFIX

INTRODUCTION = """\
Every setting is an environment variable. All are optional.

- A running local stack (`euguess up`) writes its addresses to `stack.env` in its home. Commands
  with the same home read them there. Environment variables win over that file.
- To read a secret `EUGUESS_X` from a file, set `EUGUESS_X_FILE` to the file's path.
- The containers have more variables: see [Containers](containers.md)."""


def render() -> str:
    """Return the page."""
    sections = (f"{_title(found)}\n\n{_summary(found)}\n\n{_table(found)}" for found in classes())
    return page("Settings", INTRODUCTION, *sections)


def classes() -> list[type[BaseSettings]]:
    """Return the settings classes that have fields of their own."""
    found = [cls for cls in vars(settings).values() if isinstance(cls, type)]
    return [cls for cls in found if issubclass(cls, BaseSettings) and cls.model_fields]


def _title(cls: type[BaseSettings]) -> str:
    return "## " + cls.__name__.removesuffix("Settings")


def _summary(cls: type[BaseSettings]) -> str:
    return (cls.__doc__ or "").partition("\n\n")[0].strip()


def _table(cls: type[BaseSettings]) -> str:
    rows = (
        (code(f"{ENV_PREFIX}{name.upper()}"), _default(field), field.description or "")
        for name, field in cls.model_fields.items()
    )
    return table(("variable", "default", "description"), rows)


def _default(field: FieldInfo) -> str:
    value = field.default
    return code(value.get_secret_value() if isinstance(value, SecretStr) else value)
