"""The to-do list that survives."""
