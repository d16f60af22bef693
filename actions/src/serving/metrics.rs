//! The model server's numbers, in the text format of Prometheus (version 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the latency buckets, seconds (Seldon Core's, with two finer ones before).
const BOUNDS: [f64; 16] = [
    0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Labels that every line carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) app: String,
    pub(super) model: String,
    pub(super) version: String,
    pub(super) revision: String,
}

#[derive(Debug, Clone, Default)]
struct Histogram {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
}

/// Counts prediction requests by status code.
pub(super) struct Metrics {
    labels: Labels,
    /// By HTTP status: the server itself has fewer than ten.
    by_code: Mutex<BTreeMap<u16, Histogram>>,
    rows: std::sync::atomic::AtomicU64,
}

impl Metrics {
    pub(super) fn new(labels: Labels) -> Self {
        Self { labels, by_code: Mutex::default(), rows: Default::default() }
    }

    /// Counts one request.
    pub(super) fn observe(&self, code: u16, latency: Duration, rows: usize) {
        let seconds = latency.as_secs_f64();
        let mut by_code = self.by_code.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = by_code.entry(code).or_default();
        histogram.count += 1;
        histogram.seconds += seconds;
        if let Some(bucket) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            histogram.buckets[bucket] += 1;
        }
        self.rows.fetch_add(rows as u64, std::sync::atomic::Ordering::Relaxed);
    }

    /// The page that Prometheus reads.
    pub(super) fn page(&self) -> String {
        let by_code = self.by_code.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let labels = &self.labels;
        let base = format!(
            "app=\"{}\",model=\"{}\",model_version=\"{}\",revision=\"{}\"",
            escape(&labels.app),
            escape(&labels.model),
            escape(&labels.version),
            escape(&labels.revision)
        );
        let mut page = String::from(
            "# HELP model_request_seconds Time to answer a prediction request.\n# TYPE model_request_seconds histogram\n",
        );
        for (code, histogram) in &by_code {
            // Writing to a String cannot fail.
            let _ = histogram_lines(&mut page, &format!("{base},code=\"{code}\""), histogram);
        }
        page.push_str("# HELP model_rows_total Rows predicted.\n# TYPE model_rows_total counter\n");
        let rows = self.rows.load(std::sync::atomic::Ordering::Relaxed);
        let _ = writeln!(page, "model_rows_total{{{base}}} {rows}");
        page
    }
}

fn histogram_lines(page: &mut String, labels: &str, histogram: &Histogram) -> std::fmt::Result {
    let mut below = 0;
    for (bound, count) in BOUNDS.iter().zip(histogram.buckets) {
        below += count;
        writeln!(page, "model_request_seconds_bucket{{{labels},le=\"{bound}\"}} {below}")?;
    }
    let count = histogram.count;
    writeln!(page, "model_request_seconds_bucket{{{labels},le=\"+Inf\"}} {count}")?;
    writeln!(page, "model_request_seconds_sum{{{labels}}} {}", histogram.seconds)?;
    writeln!(page, "model_request_seconds_count{{{labels}}} {count}")
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::{Labels, Metrics};
    use std::time::Duration;

    #[test]
    fn buckets_are_cumulative_and_labels_escaped() {
        let labels =
            Labels { app: "a\"b".to_owned(), revision: "3".to_owned(), ..Labels::default() };
        let metrics = Metrics::new(labels);
        metrics.observe(200, Duration::from_millis(3), 2);
        metrics.observe(200, Duration::from_secs(60), 1);
        metrics.observe(400, Duration::ZERO, 0);
        let page = metrics.page();
        let base = r#"app="a\"b",model="",model_version="",revision="3""#;
        for line in [
            format!("model_request_seconds_bucket{{{base},code=\"200\",le=\"0.001\"}} 0"),
            format!("model_request_seconds_bucket{{{base},code=\"200\",le=\"0.005\"}} 1"),
            format!("model_request_seconds_bucket{{{base},code=\"200\",le=\"10\"}} 1"),
            format!("model_request_seconds_bucket{{{base},code=\"200\",le=\"+Inf\"}} 2"),
            format!("model_request_seconds_sum{{{base},code=\"200\"}} 60.003"),
            format!("model_request_seconds_count{{{base},code=\"400\"}} 1"),
            format!("model_rows_total{{{base}}} 3"),
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
