"""Batches without padding: the texts of a batch laid end to end, with the places where each begins."""
