"""Mask -> surfaces in a file: STL, OBJ or GLB."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pleura.errors import UsageError
from pleura.labels import COLOURS
from pleura.volume import Mask
from pleura.write.atomic import write_bytes
from pleura.write.meshes import mesh_of

if TYPE_CHECKING:
    import trimesh


def surfaces_of(mask: Mask) -> Mapping[str, trimesh.Trimesh]:
    """One closed surface each label of the mask that has voxels, by the label's name; LPS mm.

    Raises:
        UsageError: the mask is empty.
    """
    found = {name: mesh_of(mask, number) for number, name in mask.labels.items()}
    surfaces = {name: mesh for name, mesh in found.items() if mesh is not None}
    if not surfaces:
        raise UsageError("The mask is empty, so it has no surface; write a .nii.gz instead.")
    return surfaces


def write_surfaces(mask: Mask, path: Path) -> None:
    """Write the surfaces by suffix, atomically; vertices are LPS mm in every format.

    STL (binary) has neither names nor colours, so all labels are one surface; OBJ has an object and
    group each; GLB a named, coloured node each. GLB's own unit would be the metre and its y axis
    up; the numbers here are the patient's millimetres all the same, so that no one has to convert.

    Raises:
        UsageError: the mask is empty.
        OutputError: disk full, no permission; nothing is left behind.
    """
    surfaces = surfaces_of(mask)
    suffix = path.suffix.lower()
    if suffix == ".glb":
        write_bytes(path, _glb(mask, surfaces))
    else:
        write_bytes(path, _stl(surfaces) if suffix == ".stl" else _obj(surfaces))


def _stl(surfaces: Mapping[str, trimesh.Trimesh]) -> bytes:
    from trimesh.exchange.stl import export_stl
    from trimesh.util import concatenate

    data: bytes = export_stl(concatenate(list(surfaces.values())))
    # 80 bytes that readers show, if anything; they must not begin with "solid".
    return b"pleura: lungs, LPS mm".ljust(80, b" ") + data[80:]


def _obj(surfaces: Mapping[str, trimesh.Trimesh]) -> bytes:
    lines = ["# pleura: lungs, LPS mm"]
    before = 1
    for name, mesh in surfaces.items():
        word = name.replace(" ", "_")
        lines += [f"o {word}", f"g {word}"]
        lines += [f"v {x:.4f} {y:.4f} {z:.4f}" for x, y, z in mesh.vertices.tolist()]
        lines += [f"f {a} {b} {c}" for a, b, c in (mesh.faces + before).tolist()]
        before += len(mesh.vertices)
    return ("\n".join(lines) + "\n").encode()


def _glb(mask: Mask, surfaces: Mapping[str, trimesh.Trimesh]) -> bytes:
    import trimesh
    from trimesh.visual.material import PBRMaterial

    numbers = {name: number for number, name in mask.labels.items()}
    scene = trimesh.Scene()
    for name, mesh in surfaces.items():
        coloured = mesh.copy()
        colour = [*COLOURS[numbers[name]], 255]
        material = PBRMaterial(
            name=name, baseColorFactor=colour, metallicFactor=0.0, roughnessFactor=0.8
        )
        coloured.visual = trimesh.visual.TextureVisuals(material=material)
        scene.add_geometry(coloured, node_name=name, geom_name=name)
    data: bytes = scene.export(file_type="glb")
    return data
