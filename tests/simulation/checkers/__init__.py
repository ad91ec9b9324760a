"""What must hold of every simulated crawl, one file for each property. They raise `Violation`."""

from __future__ import annotations


class Violation(AssertionError):  # noqa: N818 - what was found
    """A property does not hold. The message begins with the property's name."""
