"""The libraries of inference, imported with their telemetry off: pleura works offline.

Both would otherwise write an identifier under the home folder and send reports: OpenVINO 2026.4 by
a Python module of its own on import, onnxruntime 1.29 and later from C++ unless an environment
variable is set before the import. Another user of them in this process who imported them earlier
keeps what he had.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import Any

from pleura.imports import hidden, spared
from pleura.infer.choice import EngineUnavailableError

_ONNXRUNTIME_SWITCH = "ORT_DISABLE_TELEMETRY"
_lock = Lock()  # engines may be loaded in several threads


def import_onnxruntime() -> Any:
    """The module `onnxruntime`."""
    with _lock:
        before = os.environ.get(_ONNXRUNTIME_SWITCH)
        os.environ[_ONNXRUNTIME_SWITCH] = "1"
        try:
            import onnxruntime
        finally:
            del os.environ[_ONNXRUNTIME_SWITCH]
            if before is not None:
                os.environ[_ONNXRUNTIME_SWITCH] = before
    return onnxruntime


def import_openvino() -> Any:
    """The module `openvino`.

    Raises:
        EngineUnavailableError: it isn't installed, or its libraries don't load.
    """
    try:
        # The converter of foreign formats takes half of the time to load.
        with _lock, hidden("openvino_telemetry"), spared("openvino", "openvino.tools.ovc"):
            import openvino
    except (ImportError, OSError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
        raise EngineUnavailableError(
            f"OpenVINO can't be imported ({reason}); pip install openvino, or choose the engine "
            "onnxruntime."
        ) from error
    return openvino
