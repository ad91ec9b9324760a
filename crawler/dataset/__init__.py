"""Readers of what a run has written; they never change anything."""
