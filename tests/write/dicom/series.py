"""CT series with masks, for the tests of DICOM objects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from pleura.labels import AIRWAY_LABELS, PLEURA_LABELS
from pleura.read import read
from pleura.volume import Mask, Volume
from pleura.write.dicom.common import Origin
from pleura.write.dicom.objects import DicomObjects
from tests.dicom_phantom import write_series
from tests.phantom import chest

ORIGIN = Origin("lungs", "9.9.9", "ab" * 32)
SECRETS = {
    "PatientName": "SECRETNAME^GIVENSECRET",
    "PatientID": "SECRETID-4711",
    "PatientBirthDate": "19561231",
    "PatientSex": "F",
    "PatientAge": "066Y",
    "PatientWeight": "71.5",
    "StudyDate": "20210907",
    "StudyTime": "101112",
    "SeriesDate": "20210908",
    "StudyID": "STUDYSECRET",
    "AccessionNumber": "ACCESSION0815",
    "ReferringPhysicianName": "DOCTORSECRET^WHO",
    "InstitutionName": "HOSPITALSECRET",
    "StudyDescription": "DESCRIPTIONSECRET",
    "SeriesDescription": "CHEST SERIESSECRET",
    "DeviceSerialNumber": "SERIALSECRET",
    "StationName": "STATIONSECRET",
}


@dataclass(frozen=True, eq=False)
class Scan:
    """A series on the disk, as it was read, and a mask of it."""

    path: Path
    volume: Volume
    mask: Mask

    def objects(self, origin: Origin = ORIGIN) -> DicomObjects:
        return DicomObjects(self.mask, self.volume, origin)


def phantom_scan(folder: Path, **options: object) -> Scan:
    """A chest of 20 slices with a hole in a lung and single voxels, as a series."""
    phantom = chest((20, 96, 96), (14.0, 4.0, 4.0))
    labels = phantom.labels.copy()
    place = np.argwhere(labels == 1)[len(np.argwhere(labels == 1)) // 2]
    z, y, x = place
    labels[z, y - 2 : y + 2, x - 1 : x + 2] = 0
    labels[z, y, x] = 1  # an island in the hole
    labels[2, 3, 4] = 2
    options.setdefault("overrides", SECRETS)
    write_series(folder, phantom.hu, phantom.geometry, **options)  # type: ignore[arg-type]
    volume = read(folder)
    return Scan(folder, volume, Mask(labels, volume.geometry, AIRWAY_LABELS))


def real_scan(shared: Path) -> Scan:
    """lungdx0001 with its reference mask."""
    volume = read(shared / "dicom" / "lungdx0001")
    file = shared / "volumes" / "labelsTr" / "lungdx0001.nii.gz"
    reference = sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
    labels = np.zeros(volume.array.shape, dtype=np.uint8)
    labels[reference == 4], labels[reference == 3] = 1, 2
    return Scan(volume.source, volume, Mask(labels, volume.geometry, PLEURA_LABELS))


def image_array(path: Path, scan: Scan) -> np.ndarray:
    """An image that holds some of the slices of a scan, as booleans on the scan's grid."""
    image = sitk.ReadImage(str(path))
    found = np.zeros(scan.mask.array.shape, dtype=bool)
    inverse = np.linalg.inv(scan.mask.geometry.affine)
    start = np.rint(inverse @ [*image.GetOrigin(), 1.0])[:3].astype(int)
    part = sitk.GetArrayFromImage(image) > 0
    direction = np.array(image.GetDirection()).reshape(3, 3)
    spacing = np.array(image.GetSpacing())
    assert np.allclose(direction * spacing, scan.mask.geometry.affine[:3, :3], atol=1e-3)
    x, y, z = start
    found[z : z + part.shape[0], y : y + part.shape[1], x : x + part.shape[2]] = part
    return found
