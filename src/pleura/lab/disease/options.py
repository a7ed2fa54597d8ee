"""Which diseases are painted into training slices, and how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DiseaseOptions:
    """Share of slices that get disease, and the odds of each kind; 0 switches one off.

    Args:
        share: of the slices with lung that get one to three diseases; 0: none.
        consolidation: lung filled to the density of soft tissue, up to the pleura, with or without
            air bronchograms.
        ground_glass: lung whose density rises by a part of that.
        effusion: fluid at the lowest place of the pleural space, which is no lung any more, mostly
            with compressed lung beside it.
        collapse: a dense, small lobe against mediastinum or spine.
        mass: a round or lobed lesion, mostly touching chest wall or mediastinum.
        cavity: a mass or an infiltrate with air, or air over fluid, inside.
        honeycombing: subpleural cysts with thick walls.
        pneumothorax: air at the highest place of the pleural space, which is no lung.
        donors: share of dense lesions whose texture is that of a real lesion of a training scan;
            the others take that of the scan's own soft tissue.
    """

    share: float = 0.0
    consolidation: float = 3.0
    ground_glass: float = 1.0
    effusion: float = 2.0
    collapse: float = 1.5
    mass: float = 1.5
    cavity: float = 0.7
    honeycombing: float = 0.7
    pneumothorax: float = 0.5
    donors: float = 0.3

    def odds(self) -> dict[str, float]:
        """Of each disease by name."""
        return {
            "consolidation": self.consolidation,
            "ground_glass": self.ground_glass,
            "effusion": self.effusion,
            "collapse": self.collapse,
            "mass": self.mass,
            "cavity": self.cavity,
            "honeycombing": self.honeycombing,
            "pneumothorax": self.pneumothorax,
        }
