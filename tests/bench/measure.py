"""What one process takes: wall time and the most memory that it, or a process that it waited for, held at once.

    python3 measure.py time COMMAND...       prints `SECONDS PEAK_MIB`
    python3 measure.py latency COMMAND...    prints `MEDIAN_MS LONGEST_MS LINES`: lines that hold `at:NANOSECONDS` (as `date +%s%N`
                                             prints them), from there to their arrival here

Standard library only. The exit code is that of the command when it is not 0.
"""

import re
import resource
import statistics
import subprocess
import sys
import time


def measure_time(command):
    begun = time.monotonic()
    code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
    seconds = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{seconds:.3f}\t{peak:.0f}")
    return code


def measure_latency(command):
    waits = []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
    for line in process.stdout:
        now = time.time_ns()
        found = re.search(rb"at:(\d+)", line)
        if found:
            waits.append((now - int(found[1])) / 1e6)
    code = process.wait()
    if not waits:
        raise SystemExit("no line with a time arrived")
    print(f"{statistics.median(waits):.2f}\t{max(waits):.2f}\t{len(waits)}")
    return code


if __name__ == "__main__":
    kinds = {"time": measure_time, "latency": measure_latency}
    raise SystemExit(kinds[sys.argv[1]](sys.argv[2:]))
