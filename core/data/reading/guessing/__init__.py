"""Which columns are text, label and split, by their names and values."""
