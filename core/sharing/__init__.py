"""Turns a run into results that others can read, load, run and check."""
