"""Gives each column of a dataset one type and one numbering of its classes, across all of its files."""
