import json
from typing import Any

from pynenc.builder import PynencBuilder
from pynenc.serializer import BaseSerializer


class Upper(BaseSerializer):
    def serialize(self, obj: Any) -> str:
        return json.dumps(obj)

    def deserialize(self, text: str) -> Any:
        return json.loads(text)


app = PynencBuilder().custom_config(serializer_cls="custom.Upper").build()


@app.task
def echo(value: str) -> str:
    return value
