"""Plain values as YAML 1.2 that `hub.catalog.yaml` reads back as the same values."""

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

_ONE_LINE = 3  # mappings so deep stand on one line, as people write them
_WIDTH = 100_000  # a line a thing, so that a diff shows whole things


def yaml_text(plain: Any) -> str:
    """The text of mappings, lists, texts, numbers, true, false and null."""
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.allow_unicode = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(_styled(plain, 0), out)
    return out.getvalue()


def _styled(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        made: Any = CommentedMap((key, _styled(one, depth + 1)) for key, one in value.items())
        flat = depth >= _ONE_LINE
    elif isinstance(value, list):
        made = CommentedSeq(_styled(one, depth + 1) for one in value)
        flat = not any(isinstance(one, dict | list) for one in value)
    elif isinstance(value, str) and (":" in value or not value.isprintable()):
        return DoubleQuotedScalarString(value)  # 22:00 is a number to readers of YAML 1.1
    else:
        return value
    if flat:
        made.fa.set_flow_style()
    return made
