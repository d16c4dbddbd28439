"""Reads a dataset into Parquet files: from files, archives and folders, the Hub, uploads, and the built-in sample."""
