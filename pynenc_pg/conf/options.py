"""Options given in code: of a task, of one call of it. A wrong one is refused where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pynenc_pg.conf.wording import allowed, shown
from pynenc_pg.exceptions import InvalidTaskOptionsError

Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], options: Mapping[str, Any], what: str) -> Model:
    """Return the options, with defaults for what is left out.

    Raises:
        InvalidTaskOptionsError: an option that does not exist, or a value it cannot have.
    """
    for name, value in options.items():
        if name not in model.model_fields:
            near = get_close_matches(name, model.model_fields, n=1)
            known = f"there are {', '.join(model.model_fields)}"
            way_out = f"did you mean {near[0]!r}?" if near else known
            message = f"{name!r} is no {what}: {way_out}"
            raise InvalidTaskOptionsError(message)
        try:
            model.model_validate({name: value})
        except ValidationError as error:
            message = f"{name} = {shown(value)}: {allowed(error)}"
            raise InvalidTaskOptionsError(message) from None
    return model.model_validate(dict(options))
