"""Datasets: from a sample, a file, a folder or the Hub to Parquet, to pages of rows and to what a model trains on."""
