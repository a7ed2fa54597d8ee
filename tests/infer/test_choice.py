"""What is chosen for a wish, a model and a CPU, and the sentence where nothing fits."""

from __future__ import annotations

import pytest

from pleura.errors import ModelError, UsageError
from pleura.infer.choice import Choice, EngineOptions, choices

BOTH = ("main", "int8")
NEW, OLD = {"vnni", "bf16"}, set[str]()


def chosen(files: tuple[str, ...], features: set[str], **wish: str) -> list[str]:
    rows = choices(EngineOptions(**wish), files, features)  # type: ignore[arg-type]
    return [f"{row.engine} {row.precision}" for row in rows]


@pytest.mark.parametrize(
    ("files", "features", "first"),
    [
        (BOTH, NEW, "openvino int8"),
        (BOTH, {"vnni"}, "openvino int8"),
        (BOTH, {"bf16"}, "openvino bf16"),
        (BOTH, OLD, "openvino fp32"),
        (("main",), NEW, "openvino bf16"),
        (("main",), {"vnni"}, "openvino fp32"),
    ],
)
def test_the_fastest_that_model_and_cpu_have(
    files: tuple[str, ...], features: set[str], first: str
) -> None:
    rows = chosen(files, features)
    assert rows[0] == first
    assert rows[-1] == "onnxruntime fp32"  # which always works


@pytest.mark.parametrize(
    ("wish", "rows"),
    [
        ({"name": "onnxruntime"}, ["onnxruntime int8", "onnxruntime fp32"]),
        ({"name": "openvino", "precision": "bf16"}, ["openvino bf16"]),
        ({"precision": "int8"}, ["openvino int8", "onnxruntime int8"]),
        ({"precision": "fp32"}, ["openvino fp32", "onnxruntime fp32"]),
        ({"device": "cuda"}, ["onnxruntime fp32"]),
    ],
)
def test_wishes_are_heeded(wish: dict[str, str], rows: list[str]) -> None:
    assert chosen(BOTH, NEW, **wish) == rows


@pytest.mark.parametrize(
    ("wish", "files", "features", "message"),
    [
        ({"precision": "int8"}, ("main",), NEW, "This model has no int8 network; choose another"),
        ({"precision": "int8"}, BOTH, {"bf16"}, r"known to have 8-bit \(VNNI\) arithmetic"),
        ({"precision": "bf16"}, BOTH, {"vnni"}, "known to have bf16 arithmetic; choose .* fp32"),
        ({"precision": "bf16", "name": "onnxruntime"}, BOTH, NEW,
         "Engine 'onnxruntime' with precision 'bf16' doesn't exist on cpu; there it is one of: "
         "openvino int8, openvino bf16, onnxruntime int8, openvino fp32, onnxruntime fp32"),
        ({"device": "cuda", "name": "openvino"}, BOTH, NEW, "on cuda; .* one of: onnxruntime fp32"),
        ({"device": "cuda", "precision": "int8"}, BOTH, NEW, "'int8' doesn't exist on cuda"),
    ],
)  # fmt: skip
def test_what_can_not_be_had(
    wish: dict[str, str], files: tuple[str, ...], features: set[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        chosen(files, features, **wish)


def test_int8_has_a_file_of_its_own() -> None:
    assert Choice("openvino", "int8").role == "int8"
    assert Choice("openvino", "bf16").role == Choice("onnxruntime", "fp32").role == "main"


@pytest.mark.parametrize(
    "wish", [{"name": "abacus"}, {"precision": "int3"}, {"threads": -1}, {"device": "tpu"}], ids=str
)
def test_unknown_values(wish: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        EngineOptions(**wish)  # type: ignore[arg-type]


@pytest.mark.parametrize("files", [(), ("int8",)])
def test_a_model_without_its_network_is_damaged(files: tuple[str, ...]) -> None:
    with pytest.raises(ModelError, match="lacks its 'main' network; install or export it again"):
        chosen(files, NEW)
