"""What is changed, how much and how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AugmentOptions:
    """Ranges (+-) and probabilities; 0 switches one off.

    Args:
        enabled: False switches everything off; slices then lie on the very grid of inference, and
            no disease can be painted.
        zoom: log2 range of the field of view.
        rotation_deg: in-plane rotation.
        shift: of the frame's size.
        mirror: left-right, swaps the side channels (a side is where the header puts it).
        upside_down: front-back, a prone patient filed as supine.
        scale, offset_hu: intensity; the 2-D set at hand is about 0.8 x HU.
        noise_hu: standard deviation at most.
        sharpen: kernel from smooth (negative) to sharp.
        field_cut: a round or square field of view, its outside filled with air, 0 HU or less.
        gas: bowel, stomach and oesophagus gas painted outside the lungs.
        opacity: soft-tissue clouds painted inside the lungs, which stay lung.
        low_dose: noise in streaks across the body, most where it is widest, as at the shoulders.
        metal: one or two implants with bright and dark streaks.
        strong_kernel: far smoother or sharper than `sharpen` goes, with overshoot at edges.
        thick_slice: edges blurred in plane, along x and y apart, as slopes in thick slices are.
        breathing: edges doubled, mostly front to back.
        padding: share of the fields of view whose outside is filled with anything from -3024 to 0.
        side_cut: a straight cut at one side, or at two that meet, filled as a field of view's
            outside.
        rare_scale, rare_offset_hu: the wider ranges of one item in ten.
        stretch: log2 range of width against height: flat and barrel chests, thin and obese ones.
        elastic: standard deviation of smooth displacements at most, of the frame's size; 0.012 is
            about 5 mm, and from 0.02 on the picture may fold.
        decubitus: a quarter turn to either side. A turn leaves the side channels with their lungs.
        prone: a half turn, sides as above. The same picture with the sides the other way is a
            mirrored `upside_down`, so use one of the two.
    """

    enabled: bool = True
    zoom: float = 0.45
    rotation_deg: float = 12.0
    shift: float = 0.08
    mirror: float = 0.5
    upside_down: float = 0.05
    scale: float = 0.2
    offset_hu: float = 50.0
    noise_hu: float = 70.0
    sharpen: float = 0.8
    field_cut: float = 0.15
    gas: float = 0.2
    opacity: float = 0.2
    low_dose: float = 0.0
    metal: float = 0.0
    strong_kernel: float = 0.0
    thick_slice: float = 0.0
    breathing: float = 0.0
    padding: float = 0.0
    side_cut: float = 0.0
    rare_scale: float = 0.0
    rare_offset_hu: float = 0.0
    stretch: float = 0.0
    elastic: float = 0.0
    decubitus: float = 0.0
    prone: float = 0.0
