"""Reads typed tables, Parquet, Arrow and Excel workbooks, within bounds, and flattens nested columns."""
