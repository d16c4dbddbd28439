"""A run in words and figures: the report, and the model card for the Hub."""
