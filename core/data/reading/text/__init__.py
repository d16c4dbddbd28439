"""Reads delimited text files: detects their encoding and dialect, and streams their rows to Parquet."""
