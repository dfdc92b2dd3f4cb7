"""The tasks that are measured, once for each other task queue. Worker processes import them."""
