"""Figures: data in, Plotly figure out. Pure functions; the colours are legible on light and dark backgrounds."""
