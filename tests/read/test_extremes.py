"""Metal."""

from __future__ import annotations

import numpy as np

from tests.read.made_defects import phantom, read

HU = phantom().hu


def metal(where: tuple[object, ...], value: int = 8000) -> list[str]:
    hu = HU.copy()
    hu[where] = value
    return [f.message for f in read(hu).findings if f.code == "extreme_values"]


def test_metal_in_the_body_is_said_with_its_place() -> None:
    (message,) = metal((slice(4, 9), slice(60, 64), slice(60, 64)))
    assert "5 slices of 24, from 5 to 9" in message
    assert f"({80 * 0.09:.1f} ml;" in message and "3071" in message
    assert "slice 3 of 24" in metal((2, slice(60, 64), slice(60, 64)))[0]


def test_the_end_of_int16_and_of_12_bits_count() -> None:
    assert metal((2, slice(60, 64), slice(60, 64)), 32767)
    assert metal((2, slice(60, 64), slice(60, 64)), 3071)
    assert not metal((2, slice(60, 64), slice(60, 64)), 3000)


def test_a_few_voxels_and_those_beside_the_body_do_not() -> None:
    assert not metal((2, 60, slice(60, 64)))
    assert not metal((slice(None), slice(2, 5), slice(2, 9)))


def test_slices_are_counted_from_the_feet_in_any_order() -> None:
    import pleura
    from pleura.volume import Volume

    hu = HU.copy()
    hu[2, 60:64, 60:64] = 8000
    grid = phantom().geometry.transposed((0, 1, 2), (True, False, False))
    image = Volume(np.ascontiguousarray(hu[::-1]), grid)
    from pleura.volume import sitk_image

    (finding,) = pleura.read(sitk_image(image.array, image.geometry)).findings
    assert "slice 3 of 24" in finding.message
