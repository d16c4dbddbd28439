"""Guesses which columns are text, label and split, from their names and values."""
