"""Find a model folder by bundled name or path, and check that its files are whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pleura.errors import ModelError
from pleura.model_spec import ModelSpec

BUNDLED = Path(__file__).resolve().parent.parent / "models"
DEFAULT_MODEL = "lungs"


@dataclass(frozen=True)
class ModelFolder:
    """A model's description and where its files lie."""

    path: Path
    spec: ModelSpec

    def file(self, role: str) -> Path:
        """The path of a file by role ("main"), its checksum verified.

        Raises:
            ModelError: no such role, missing file, or not the bytes that were exported.
        """
        name = self.spec.files.get(role)
        if name is None or not (self.path / name).is_file():
            raise ModelError(f"{self.path} lacks its '{role}' network; install or export it again.")
        if sha256_of(self.path / name) != self.spec.sha256.get(role):
            raise ModelError(
                f"{self.path / name} is not the file its model.json describes (checksum differs); "
                "install or export it again."
            )
        return self.path / name


def open_model(model: str | Path = DEFAULT_MODEL) -> ModelFolder:
    """A bundled model by name, or a model folder by path.

    Raises:
        ModelError: neither a bundled name nor a folder with a model.json.
    """
    bundled = sorted(path.parent.name for path in BUNDLED.glob("*/model.json"))
    path = BUNDLED / str(model) if str(model) in bundled else Path(model).expanduser()
    if not (path / "model.json").is_file():
        raise ModelError(
            f"'{model}' is neither a bundled model ({', '.join(bundled) or 'none'}) nor a folder "
            "with a model.json; see `pleura export`."
        )
    return ModelFolder(path, ModelSpec.from_file(path / "model.json"))


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
