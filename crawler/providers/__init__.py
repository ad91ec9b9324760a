"""Dialects: build requests and read answers; they never perform them and never wait."""
