"""Decisions: pure functions of their arguments."""
