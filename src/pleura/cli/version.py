from __future__ import annotations


def installed_version() -> str:
    from importlib.metadata import version

    return version("pleura")
