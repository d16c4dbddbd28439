"""Datasets: reading them into Parquet, preparing, inspecting and browsing them, and loading them for training."""
