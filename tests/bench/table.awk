# From the tab-separated results of the benchmarks to the table of docs/performance.md.

$1 == "steps" { steps[$2] = $3 }
$1 == "step" { step = $2 }
$1 == "shape" { seconds[$2] = $3; peak[$2] = $4; events[$2] = $5 }
$1 == "floor" { floor[$2] = $3 }
$1 == "csv" { rows = $2; megabytes = $3; validate = $4; reading = $5 }
$1 == "quickstart" { quickstart = $2 / 1000 }

function row(what, base, limit, floor_measured, measured, ratio) {
    printf "| %s | %s | %s | %s | %s | %s |\n", what, base, limit, floor_measured, measured, ratio
}

END {
    row("what", "floor", "limit", "floor measured", "pawl measured", "ratio")
    print "|---|---|---|---|---|---|"
    row("a job of ten `echo` steps", "one `docker run --rm` of the same image", "1.3 ×",
        sprintf("%.0f ms", steps["docker"]), sprintf("%.0f ms", steps[10]), sprintf("%.2f ×", steps[10] / steps["docker"]))
    row("the same with one step, and with 100", "the same", "",
        sprintf("%.0f ms", steps["docker"]), sprintf("%.0f ms, %.0f ms", steps[1], steps[100]),
        sprintf("%.2f ×, %.2f ×", steps[1] / steps["docker"], steps[100] / steps["docker"]))
    row("one more step (from 10 to 100)", "", "3 ms", "", sprintf("%.2f ms", step), "")
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
