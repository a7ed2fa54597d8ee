"""A benchmark's JSON object as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pleura.findings import count_of
from pleura.lab.tables import METRICS, cell

NONE = "-"
_RATIOS = {
    "pleura_to_floor": "pleura / floor",
    "lungmask_to_pleura": "lungmask / pleura",
    "lungmask_without_postprocessing_to_pleura": "lungmask without its post-processing / pleura",
    "warm_lungmask_to_pleura": "lungmask / pleura, warm",
    "warm_lungmask_without_postprocessing_to_pleura": (
        "lungmask without its post-processing / pleura, warm"
    ),
}
_ACCURACY = ("dice", "hd95_mm", "assd_mm", "nsd_2mm")
_HOW = """Cold: a process from the start of Python to its end, files in the system's cache; warm: \
calls in one process after a first that isn't counted. Rounds run the tools in turn, another one \
first each time. Figures are medians (smallest to largest); ratios are those of each round, warm \
ones of medians. Memory is the largest resident size of the process, 1 MB = 10^6 bytes. The stage \
`other` is what no stage covers, the start of Python and imports above all. lungmask's \
post-processing grows with the pieces in its raw mask, of which random weights make another number \
than trained ones: judge by the ratio without it."""


def to_markdown(record: Mapping[str, Any]) -> str:
    """What `pleura benchmark` prints.

    Args:
        record: of `benchmark_record`.
    """
    lines = ["# pleura benchmark", ""]
    for warning in record["warnings"]:
        lines += [f"**{warning}**", ""]
    for scan in record["scans"]:
        lines += _scan(scan)
    lines += [_HOW, "", *_setting(record)]
    return "\n".join(lines) + "\n"


def _scan(scan: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {scan['name']}{_size(scan['grid'])}"
    yield ""
    yield "| | cold, s | processor, s | peak memory, MB | warm, s | peak memory warm, MB |"
    yield "|---|---|---|---|---|---|"
    for tool in scan["tools"].values():
        yield _tool_row(_title(tool["title"], scan["pleura"]), tool)
    yield ""
    for tool in scan["tools"].values():
        if tool["error"]:
            yield f"- {tool['error']}"
    found = {text: scan["ratios"][key] for key, text in _RATIOS.items() if scan["ratios"][key]}
    for text, ratio in found.items():
        yield f"- {text}: {_spread(ratio, 2)}"
    yield ""
    for name, tool in scan["tools"].items():
        yield from _stages(name, tool)
    yield from _accuracy(scan["accuracy"])


def _title(title: str, chosen: Mapping[str, Any] | None) -> str:
    """pleura's row says which model and engine it took."""
    if title != "pleura" or chosen is None:
        return cell(title)
    model = chosen["model"]
    return cell(
        f"pleura, model {model['name']} {model['version']}, {chosen['engine']} "
        f"{chosen['precision']}"
    )


def _tool_row(title: str, tool: Mapping[str, Any]) -> str:
    cold, warm = tool["cold"] or {}, tool["warm"] or {}
    cells = (
        title,
        _spread(cold.get("wall_s"), 2),
        _spread(cold.get("cpu_s"), 2),
        _spread(cold.get("peak_memory_mb"), 0),
        _spread(warm.get("call_s"), 2),
        f"{warm['peak_memory_mb']:.0f}" if warm else NONE,
    )
    return f"| {' | '.join(cells)} |"


def _stages(name: str, tool: Mapping[str, Any]) -> Iterator[str]:
    """Median seconds of each stage, cold and warm."""
    kinds = {kind: tool[kind]["stages_s"] for kind in ("cold", "warm") if tool[kind]}
    if not kinds:
        return
    named = dict.fromkeys(stage for found in kinds.values() for stage in found)
    stages = sorted(named, key=lambda stage: stage == "other")  # last, else in their order
    yield f"| {name}, s | {' | '.join(stages)} |"
    yield "|---" * (len(stages) + 1) + "|"
    for kind, found in kinds.items():
        values = (f"{found[stage]:.2f}" if stage in found else NONE for stage in stages)
        yield f"| {kind} | {' | '.join(values)} |"
    yield ""


def _accuracy(accuracy: Mapping[str, Any]) -> Iterator[str]:
    lines = []
    for tool, scores in accuracy.items():
        if scores["error"]:
            yield f"{tool} against the reference: {scores['error']['message']}"
            yield ""
        for structure, metrics in scores["structures"].items():
            values = " | ".join(_metric(name, metrics.get(name)) for name in _ACCURACY)
            lines.append(f"| {tool}, {structure} | {values} |")
    if lines:
        yield f"| against the reference | {' | '.join(METRICS[name][0] for name in _ACCURACY)} |"
        yield "|---" * (len(_ACCURACY) + 1) + "|"
        yield from lines
        yield ""


def _metric(name: str, value: float | None) -> str:
    return "inf" if value is None else f"{value:.{METRICS[name][1]}f}"


def _spread(spread: Mapping[str, float] | None, digits: int) -> str:
    if spread is None:
        return NONE
    middle, low, high = (f"{spread[key]:.{digits}f}" for key in ("median", "min", "max"))
    return middle if spread["n"] == 1 else f"{middle} ({low} to {high})"


def _size(grid: Mapping[str, Any] | None) -> str:
    if grid is None:
        return ""
    shape = " x ".join(str(n) for n in reversed(grid["shape_zyx"]))
    spacing = " x ".join(f"{mm:.3g}" for mm in reversed(grid["spacing_zyx_mm"]))
    return f": {shape} voxels of {spacing} mm"


def _setting(record: Mapping[str, Any]) -> Iterator[str]:
    machine = record["machine"]
    yield (
        f"- Machine: {machine['cpu']}, {count_of(machine['cores'], 'core')}, "
        f"{machine['memory_gb']:g} GB, {machine['system']}"
    )
    yield (
        f"- Threads: {record['threads']}; rounds: {record['repeats']}; warm calls: "
        f"{record['warm_repeats']}; lungmask at most {record['lungmask_repeats']} of each"
    )
    yield f"- Versions: {_versions(record['versions'])}"
    if record["lungmask"] is not None:
        yield f"- lungmask's environment: {_versions(record['lungmask']['versions'])}"
    yield f"- Command: `{record['command']}`"


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
