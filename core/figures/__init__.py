"""Figures: data in, Plotly figure out. Pure functions; colours read well on light and dark backgrounds."""
