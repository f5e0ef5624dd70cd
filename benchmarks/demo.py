"""What `make demo` costs from a fresh clone: installation, then where a first and a second run spend their time.

python benchmarks/demo.py
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def demo(folder, home):
    """Runs `make demo`; its seconds and what it printed."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(home)}  # so that no program is compiled already
    start = time.perf_counter()
    done = subprocess.run(["make", "demo"], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, done.stdout


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "spexjax"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        runs = {}
        for name in ("first", "second"):
            seconds, printed = demo(folder, Path(temporary) / "cache")
            provenance = json.loads((folder / "out" / "explanation.json").read_text())["provenance"]
            parts = {part: float(s) for part, s in re.findall(r"(\w+) (\d+\.\d+) s", printed)}
            runs[name] = {
                "make_demo_seconds": round(seconds, 1),
                **parts,
                "ablations_per_second": round(provenance["budget"] / provenance["seconds"]["ablations"], 1),
            }
        runs["first"]["install"] = round(runs["first"]["make_demo_seconds"] - runs["first"]["total"], 1)
    result = {"command": "python benchmarks/demo.py", "cores": os.cpu_count(), "python": sys.version.split()[0], **runs}
    path = ROOT / "benchmarks" / "results" / "demo.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
