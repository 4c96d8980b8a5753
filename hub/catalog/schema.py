"""JSON Schemas of the configuration files, for editors: `config/schemas/*.schema.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from hub.vocabulary.kinds import KindsFile
from hub.vocabulary.profiles import Profile
from hub.vocabulary.sites import SiteFile
from hub.vocabulary.words import CommunityWords, WordsFile

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def render_schemas(further: Mapping[str, type[BaseModel]] | None = None) -> dict[str, str]:
    """File name -> text. `further` adds models of other rooms: `{"rule": RuleFile}` becomes `rule.schema.json`."""
    schemas = {
        "kinds": KindsFile.model_json_schema(),
        "words": WordsFile.model_json_schema(),
        "community-words": CommunityWords.model_json_schema(),
        "profile": TypeAdapter(Profile).json_schema(),
        "site": _references_allowed(SiteFile.model_json_schema()),
    }
    for name, model in (further or {}).items():
        schemas[name] = model.model_json_schema()
    return {
        f"{name}.schema.json": json.dumps({"$schema": _DIALECT, **schema}, ensure_ascii=False, indent=2) + "\n"
        for name, schema in schemas.items()
    }


def write_schemas(out: Path, further: Mapping[str, type[BaseModel]] | None = None) -> None:
    """Write them all under `out`, made where it does not exist."""
    out.mkdir(parents=True, exist_ok=True)
    for name, text in render_schemas(further).items():
        (out / name).write_text(text, encoding="utf-8")


def _references_allowed(schema: dict[str, Any]) -> dict[str, Any]:
    """A number of a bus may come from `!env`, which an editor sees as text."""
    port = schema["$defs"]["ModbusBus"]["properties"]["port"]
    port["type"] = [port["type"], "string"]
    return schema
