"""Calls that are part of a user's own transaction, over each kind of connection."""
