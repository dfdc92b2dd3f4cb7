"""Tasks that take and return what plain JSON cannot say."""

import os
from datetime import date, timedelta
from decimal import Decimal

from pynenc_pg import PynencBuilder

app = (
    PynencBuilder()
    .app_id("example_serializer")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN", "embedded"))
    .custom_config(serializer_cls="wire.ShopSerializer")
    .build()
)


@app.task
def invoice(net: Decimal, day: date) -> dict[str, Decimal | date]:
    return {"gross": net * Decimal("1.19"), "due": day + timedelta(days=14)}
