"""Starts samovard with the demo services on endpoints of its own, measures, and stops everything again."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARIES = ROOT / "build" / "release" / "bin"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="samovar-demo-") as folder:
        frontend = f"ipc://{folder}/frontend"
        log = Path(folder) / "samovard.log"
        command = [BINARIES / "samovard", "--config", ROOT / "examples" / "samovard.toml"]
        command += ["--frontend", frontend, "--backend", f"ipc://{folder}/backend"]
        print("Starting samovard with the services ipgeo and segment ...", flush=True)
        with log.open("wb") as output:
            broker = subprocess.Popen(command, stderr=output, start_new_session=True)
        try:
            demo = [
                BINARIES / "samovar-demo",
                sys.executable,
                ROOT / "examples" / "demo" / "ways",
                frontend,
            ]
            code = subprocess.run(demo, timeout=120).returncode
        except subprocess.TimeoutExpired:
            print("demo: no result within two minutes", file=sys.stderr)
            code = 1
        finally:
            broker.send_signal(signal.SIGTERM)
            stopped = broker.wait(timeout=60)
        if code or stopped:
            print(f"demo: samovard exited with code {stopped}; its log:", file=sys.stderr)
            print(log.read_text(errors="replace"), file=sys.stderr)
        else:
            print("\nsamovard and its workers have stopped. `script/server` keeps them running.")
        return code or stopped


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
