"""NRRD and MetaImage: lines of keys and values, then voxels."""

from __future__ import annotations

import re
from random import Random

from tests.fuzz.mutate import damaged, pick_number_word, pick_word

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_FILES = (
    "LOCAL", "LIST", "LIST 2", "LIST 4D", "scan.raw", "./scan.raw", "scan%03d.raw 0 2 1",
    "s%d.raw 0 2147483647 1", "s%d.raw 2 0 -1", "s%d.raw 0 2 0", "s%s%s%s%n.raw 1 2 1", "", ".",
    "..", "/", "missing.raw", "scan.mhd", "scan.nhdr", "pipe", "/dev/zero", "/dev/null",
    "/dev/full", "/proc/self/mem", "/dev/stdin", "http://127.0.0.1/x", "a" * 300, "a" * 40000,
)  # fmt: skip
_NRRD_LINES = (
    "type: {w}", "dimension: {n}", "sizes: {n} {n} {n}", "sizes: 16 16 3 {n}", "encoding: {w}",
    "endian: {w}", "space: {w}", "space dimension: {n}", "space directions: ({n},0,0) (0,{n},0) "
    "(0,0,{n})", "space directions: none (1,0,0) (0,1,0)", "space origin: ({n},{n},{n})",
    "spacings: {n} {n} {n}", "kinds: {w} {w} {w}", "thicknesses: {n} {n} {n}", "axis mins: {n} 0 0",
    "centers: cell cell node", "labels: \"{w}\" \"\" \"\"", "units: \"{w}\" \"mm\" \"mm\"",
    "data file: {f}", "datafile: {f}", "line skip: {n}", "byte skip: {n}", "block size: {n}",
    "min: {n}", "max: {n}", "old min: {n}", "content: {w}", "number: {n}", "sample units: {w}",
    "measurement frame: ({n},0,0) (0,1,0) (0,0,1)", "key:={w}", "# {w}", "{w}", "NRRD000{n}",
)  # fmt: skip
_META_LINES = (
    "ObjectType = {w}", "ObjectSubType = {w}", "NDims = {n}", "DimSize = {n} {n} {n}",
    "DimSize = 16 16 {n}", "ElementType = {w}", "BinaryData = {w}", "CompressedData = {w}",
    "CompressedDataSize = {n}", "BinaryDataByteOrderMSB = {w}", "ElementByteOrderMSB = {w}",
    "ElementSpacing = {n} {n} {n}", "ElementSize = {n} {n} {n}", "Offset = {n} {n} {n}",
    "Position = {n} 0 0", "Origin = {n} 0 0", "TransformMatrix = {n} 0 0 0 {n} 0 0 0 {n}",
    "Orientation = 1 0 0 0 1 0 0 0 {n}", "CenterOfRotation = {n} {n} {n}",
    "AnatomicalOrientation = {w}", "ElementNumberOfChannels = {n}", "HeaderSize = {n}",
    "Modality = {w}", "SequenceID = {n} {n} {n} {n}", "ElementMin = {n}", "ElementMax = {n}",
    "ElementToIntensityFunctionSlope = {n}", "ElementToIntensityFunctionOffset = {n}",
    "ElementDataFile = {f}", "Comment = {w}", "Name = {w}", "ID = {n}", "ParentID = {n}",
    "Color = {n} {n} {n} {n}", "DistanceUnits = {w}", "{w} = {w}", "{w}", "AcquisitionDate = {w}",
)  # fmt: skip
_VALUES = (
    "short", "unsigned short", "int", "float", "double", "uchar", "int64", "block", "raw", "gzip",
    "bzip2", "ascii", "text", "hex", "zrl", "little", "big", "left-posterior-superior", "RAS",
    "right-anterior-superior-time", "scanner-xyz", "3D-right-handed", "domain", "vector",
    "RGB-color", "complex", "list", "MET_SHORT", "MET_USHORT", "MET_UCHAR", "MET_FLOAT",
    "MET_DOUBLE", "MET_LONG_LONG", "MET_STRING", "MET_OTHER", "MET_NONE", "MET_ASCII_CHAR",
    "MET_SHORT_ARRAY", "MET_FLOAT_MATRIX", "True", "False", "Image", "Tube", "Mesh", "Scene",
    "RAI", "???", "MET_MOD_CT", "MET_MOD_MR",
)  # fmt: skip


def _filled(rng: Random, template: str) -> bytes:
    parts = re.split(r"(\{[nwf]\})", template)
    return b"".join(_part(rng, part) for part in parts)


def _part(rng: Random, part: str) -> bytes:
    match part:
        case "{n}":
            return pick_number_word(rng).encode()
        case "{f}":
            return rng.choice(_FILES).encode()
        case "{w}":
            return rng.choice(_VALUES).encode() if rng.random() < 0.6 else pick_word(rng)
    return part.encode()


def mutate_text(rng: Random, header: bytes, kind: str) -> bytes:
    """A damaged header; `kind` is "nrrd" or "metaimage". What ends the header mostly stays."""
    lines = header.split(b"\n")
    templates = _NRRD_LINES if kind == "nrrd" else _META_LINES
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(lines))
        way = rng.random()
        if way < 0.35:
            numbers = list(_NUMBER.finditer(lines[at]))
            if numbers:
                found = rng.choice(numbers)
                word = pick_number_word(rng).encode()
                lines[at] = lines[at][: found.start()] + word + lines[at][found.end() :]
                continue
        if way < 0.55:
            replaced = _filled(rng, rng.choice(templates))
            key = replaced.partition(b":" if kind == "nrrd" else b"=")[0].strip()
            same = [i for i, line in enumerate(lines) if key and line.startswith(key)]
            lines[same[0] if same else at] = replaced
        elif way < 0.7:
            lines.insert(at, _filled(rng, rng.choice(templates)))
        elif way < 0.78:
            del lines[at]
        elif way < 0.84:
            lines.insert(rng.randrange(len(lines)), lines[at])
        elif way < 0.88:
            rng.shuffle(lines)
        elif way < 0.9:
            lines[at:at] = [_filled(rng, rng.choice(templates))] * 300
        else:
            return damaged(rng, b"\n".join(lines))
        if not lines:
            return b""
    return b"\n".join(lines)
