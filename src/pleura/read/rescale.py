"""Stored numbers times a slope plus an intercept -> int16 HU, without a copy in floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pleura.volume import HUArray

_INT16 = np.iinfo(np.int16)


def shift_to_hu(values: npt.NDArray[Any], slope: float, intercept: float, out: HUArray) -> bool:
    """Write `values` + `intercept` to `out`, if 16-bit arithmetic can do that exactly.

    Args:
        values: of any shape; `out` has the same and may share its memory.

    Returns:
        False, with `out` as it was, for other types than 16-bit integers, another slope than 1,
        a fraction in the intercept, or sums beyond int16.
    """
    if values.dtype not in (np.int16, np.uint16) or slope != 1 or intercept % 1 != 0:
        return False
    if values.size == 0:
        return True
    if int(values.min()) + intercept < _INT16.min or int(values.max()) + intercept > _INT16.max:
        return False
    # The sum fits, so 16-bit arithmetic that wraps around gives it, five times faster.
    np.add(values.view(np.uint16), np.uint16(int(intercept) % 65536), out=out.view(np.uint16))
    return True
