"""A task with a large argument. Nothing has to be done for it: these are the defaults."""

import os

from pynenc_pg import PynencBuilder

app = (
    PynencBuilder()
    .app_id("example_large")
    .postgres(os.environ.get("PYNENC__POSTGRES__DSN", "embedded"))
    .client_data_store(min_size_to_cache=1024, local_cache_size=1000)  # bytes; values
    .build()
)


@app.task
def count_word(text: str, word: str) -> int:
    return text.split().count(word)
