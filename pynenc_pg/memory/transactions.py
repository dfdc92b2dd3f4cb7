"""What needs a transaction of the caller's own: there is none in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from pynenc_pg.exceptions import StoreError

if TYPE_CHECKING:
    from pynenc_pg.domain.records import Batch, Registered
    from pynenc_pg.ports import OwnTransaction


class NoTransactions:
    """Refuses it, rather than pretend."""

    def register_within(self, session: object, batch: Batch) -> list[Registered]:
        """Refuse it."""
        del session, batch
        refuse_transaction()

    async def register_within_async(self, session: object, batch: Batch) -> list[Registered]:
        """Refuse it."""
        return self.register_within(session, batch)


def refuse_transaction() -> NoReturn:
    """Say that nothing can be part of a transaction of the caller's."""
    message = (
        "the store in memory has no transactions, so nothing can be part of yours: call the "
        "task itself, or set PYNENC__POSTGRES__DSN (to 'embedded', for a private server)"
    )
    raise StoreError(message)


def no_transaction() -> OwnTransaction:
    """Refuse it."""
    message = (
        "the store in memory has no transactions, so what a task writes cannot be committed with "
        "its end: set PYNENC__POSTGRES__DSN (to 'embedded', for a private server)"
    )
    raise StoreError(message)
