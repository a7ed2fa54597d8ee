"""Segment one scan several times in one process, with one `Segmenter`.

    python pleura_warm.py SCAN OUTPUT OPTIONS

OPTIONS is a JSON object: calls, model, and what else `Segmenter` takes. Prints, as its last line,
the seconds and stages of each call.
"""

import json
import sys
import time
from typing import Any


def main() -> int:
    scan, output, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    from pleura import Segmenter

    count = options.pop("calls")
    segmenter = Segmenter(options.pop("model"), **options)
    calls: list[dict[str, Any]] = []
    for _ in range(count):
        began = time.perf_counter()
        result = segmenter.segment(scan)
        segmented = time.perf_counter()
        result.save(output)
        done = time.perf_counter()
        stages = {k: v for k, v in result.record["timings_s"].items() if k != "total"}
        stages["write"] = done - segmented
        calls.append({"seconds": done - began, "stages_s": stages})
    json.dump({"calls": calls}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
