"""A run on the Hub: pushed there, and bundles fetched from there."""
