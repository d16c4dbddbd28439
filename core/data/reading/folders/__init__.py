"""Reads folders: finds their data files, assigns them to splits, and takes columns and classes from folder names."""
