# From the tab-separated results of the benchmarks to the table of docs/performance.md.

$1 == "steps" { steps[$2] = $3 }
$1 == "step" { step = $2 }
$1 == "shape" { seconds[$2] = $3; peak[$2] = $4; events[$2] = $5 }
$1 == "floor" { floor[$2] = $3 }
$1 == "csv" { rows = $2; megabytes = $3; validate = $4; reading = $5 }
$1 == "peer" { peer[$2] = $3 }
$1 == "mask" { mask = $2 }
$1 == "plan" { plan_lines = $2; plan_jobs = $3; plan = $4 }
$1 == "load" { load[$2, $3] = $4; held[$2, $3] = $5 }
$1 == "latency" { late = $2; latest = $3 }
$1 == "quickstart" { quickstart = $2 / 1000 }

function row(what, base, limit, floor_measured, measured, ratio) {
    printf "| %s | %s | %s | %s | %s | %s |\n", what, base, limit, floor_measured, measured, ratio
}

# A row beside act, where act was there.
function beside(what, limit, name) {
    if ((name, "act") in load)
        row(what, "act 0.2.87, the same job", limit, sprintf("%.1f s", load[name, "act"]), sprintf("%.1f s", load[name, "pawl"]),
            sprintf("%.2f ×", load[name, "pawl"] / load[name, "act"]))
    else
        row(what, "", limit, "", sprintf("%.1f s", load[name, "pawl"]), "")
}

END {
    row("what", "floor", "limit", "floor measured", "pawl measured", "ratio")
    print "|---|---|---|---|---|---|"
    row("a job of ten `echo` steps", "one `docker run --rm` of the same image", "1.1 ×",
        sprintf("%.0f ms", steps["docker"]), sprintf("%.0f ms", steps[10]), sprintf("%.2f ×", steps[10] / steps["docker"]))
    row("the same with one step, and with 100", "the same", "",
        sprintf("%.0f ms", steps["docker"]), sprintf("%.0f ms, %.0f ms", steps[1], steps[100]),
        sprintf("%.2f ×, %.2f ×", steps[1] / steps["docker"], steps[100] / steps["docker"]))
    row("one more step (from 10 to 100)", "", "3 ms", "", sprintf("%.2f ms", step), "")
    row("the ten steps again", "create, start, ten execs, remove: the same calls without a program between them", "0.4 ×",
        sprintf("%.0f ms", peer["execs"]), sprintf("%.0f ms", steps[10]), sprintf("%.2f ×", steps[10] / peer["execs"]))
    row("the ten steps again", "the calls that act makes of the engine, replayed", "0.07 ×",
        sprintf("%.0f ms", peer["act"]), sprintf("%.0f ms", steps[10]), sprintf("%.3f ×", steps[10] / peer["act"]))
    beside("twenty matrix jobs of four sleeps of 0.1 s", "0.15 ×", "matrix")
    beside("two steps that print 50 MB each", "1 ×", "log")
    row("the same: memory at its highest", "", "128 MiB", "", sprintf("%d MiB", held["log", "pawl"]), "")
    added = load["files", "pawl"] - load["bare", "pawl"]
    row("what a checkout of 50,000 small files adds to a job, with its removal", "`cp -a` of the same tree, without removal", "",
        sprintf("%.1f s", load["files", "cp"]), sprintf("%.1f s", added), sprintf("%.2f ×", added / load["files", "cp"]))
    if (("files", "act") in load) {
        peers = load["files", "act"] - load["bare", "act"]
        row("the same", "what it adds to act", "0.25 ×", sprintf("%.1f s", peers), sprintf("%.1f s", added), sprintf("%.2f ×", added / peers))
    }
    row("from the `print` of a step to a line at stdout: half of the lines, the slowest of 50", "", "50 ms", "",
        sprintf("%.1f ms, %.1f ms", late, latest), "")
    row(sprintf("reading, checking and planning a workflow of %d lines (%d jobs)", plan_lines, plan_jobs), "", "10 ms", "",
        sprintf("%.1f ms", plan), "")
    row("masking a log with 50 secrets in all their forms, one core", "", "500 MB/s", "", sprintf("%d MB/s", mask), "")
    n = split("100x100 1x10000", shapes, " ")
    for (i = 1; i <= n; i++) {
        shape = shapes[i]
        row(sprintf("`decide` and journal, 10,000 steps on the fake executor, %s (%d events): time", shape, events[shape]),
            "10,000 synced appends; 100 group commits", "5 s",
            sprintf("%.2f s; %.3f s", floor["10000-appends"], floor["100-commits"]),
            sprintf("%.2f s", seconds[shape]),
            sprintf("%.2f ×; %.0f ×", seconds[shape] / floor["10000-appends"], seconds[shape] / floor["100-commits"]))
        row("the same: memory at its highest", "", "300 MiB", "", sprintf("%d MiB", peak[shape]), "")
    }
    row(sprintf("`pawl/validate` on %d rows of CSV (%d MB)", rows, megabytes), "`wc -l` of the file", "",
        sprintf("%.3f s", reading), sprintf("%.2f s, %.0f rows/s", validate, rows / validate),
        sprintf("%.1f ×", validate / reading))
    row("the quickstart after the build: six runs of the pipeline, a rollback", "", "60 s", "", sprintf("%.1f s", quickstart), "")
}
