"""Tunedeck without its pages: data, training, evaluation and the store. Imports no streamlit."""
