"""`python -m crawler` is the command `crawler`."""

from __future__ import annotations

from crawler.cli import main

main()
