"""The web monitor: its pages, what one may do there, and who may not."""
