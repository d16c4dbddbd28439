"""Reads JSON and JSON Lines, in the shapes that common tools write, into Parquet."""
