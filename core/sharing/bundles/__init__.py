"""A run as a bundle: made, imported, published, shown."""
