"""The command line: one file a command, loaded only when it is called."""

from __future__ import annotations

import sys

from cyclopts import App

HELP = """Accurate lung masks from chest CT, on an ordinary CPU, offline.

For research, not a medical device.
"""

# "module:function", so that `pleura --help` loads no command and no library of it.
_COMMANDS = {
    "segment": ("pleura.cli.segment:segment", "Segment a chest CT: one scan in, one mask out."),
    "info": ("pleura.cli.info:info", "Show what is in a scan, and what is wrong with it."),
    "evaluate": ("pleura.cli.evaluate:evaluate", "Compare masks with reference masks."),
    "prepare": ("pleura.cli.prepare:prepare", "Make a training store from labelled scans."),
    "train": ("pleura.cli.train:train", "Train a network from a config (needs pleura[lab])."),
    "export": ("pleura.cli.export:export", "Turn a run into a model folder (needs pleura[lab])."),
}


def build_app() -> App:
    from pleura.cli.version import installed_version

    app = App(name="pleura", help=HELP, version=installed_version, result_action="return_value")
    for name, (target, summary) in _COMMANDS.items():
        app.command(target, name=name, help=summary)
    return app


def entry() -> None:
    """The console script."""
    sys.exit(main())


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code and never shows a traceback for bad input."""
    from pleura.cli.run import guarded

    arguments = sys.argv[1:] if arguments is None else arguments
    return guarded(build_app(), arguments)
