"""`python -m pleura`."""

from pleura.cli import entry

entry()
