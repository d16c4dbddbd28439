"""A run as code: a script and a notebook in the style of the tutorial, and a zip with its examples."""
