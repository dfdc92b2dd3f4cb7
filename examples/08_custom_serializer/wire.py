"""A serializer of one's own: JSON that keeps dates and decimals."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

from pynenc_pg.serializer import BaseSerializer


class ShopSerializer(BaseSerializer):
    codec = "shop"  # how its texts are marked in the database
    skips_plain_json = True  # what is plain JSON may stand there as it is

    def serialize(self, obj: Any) -> str:
        return json.dumps(obj, default=_to_json)

    def deserialize(self, serialized_obj: str) -> Any:
        return json.loads(serialized_obj, object_hook=_from_json)


def _to_json(value: object) -> dict[str, str]:
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    raise TypeError(f"{type(value).__name__} has no form in JSON here")


def _from_json(found: dict[str, Any]) -> Any:
    match found:
        case {"decimal": str(text)}:
            return Decimal(text)
        case {"date": str(text)}:
            return date.fromisoformat(text)
    return found
