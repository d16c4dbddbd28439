"""A budget of time: how long a training takes, and which of its settings fit the minutes that are given."""
