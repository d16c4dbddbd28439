"""JSON and JSON Lines of the shapes that people's tools write, to Parquet."""
