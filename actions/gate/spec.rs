//! What the gate is asked, from the YAML of the input `metrics`.

use crate::action::ActionError;
use pawl_stats::gate::{Comparison, MetricKind, TestKind};
use serde::Deserialize;
use serde_yaml::UserMessageFormatter;

/// Most metrics of one gate: every one is shown, and bootstrapped ones take a second each.
const MAX_METRICS: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricSpec {
    name: MetricKind,
    #[serde(default)]
    test: Option<TestKind>,
    #[serde(default)]
    margin: Option<f64>,
    #[serde(default)]
    alpha: Option<f64>,
    #[serde(default, alias = "min-n")]
    min_n: Option<usize>,
    #[serde(default)]
    seed: Option<u64>,
}

/// Reads the questions.
pub(super) fn parse(text: &str) -> Result<Vec<Comparison>, ActionError> {
    let options = serde_yaml::options! { with_snippet: false };
    let read = serde_yaml::from_str_with_options(text, options);
    let specs: Vec<MetricSpec> = read.map_err(|error| {
        ActionError::input(
            format!("the input metrics: {}", error.render_with_formatter(&UserMessageFormatter)),
            "give a list such as - {name: accuracy, margin: 0.01}",
        )
    })?;
    if specs.is_empty() || specs.len() > MAX_METRICS {
        return Err(ActionError::input(
            format!("the input metrics lists {} metrics", specs.len()),
            format!("list from 1 to {MAX_METRICS}"),
        ));
    }
    let questions: Vec<Comparison> = specs.iter().map(question).collect::<Result<_, _>>()?;
    for (at, question) in questions.iter().enumerate() {
        let same =
            |other: &Comparison| (other.metric, other.test) == (question.metric, question.test);
        if questions[..at].iter().any(same) {
            return Err(wrong(question.metric, "is asked the same test twice"));
        }
    }
    Ok(questions)
}

fn question(spec: &MetricSpec) -> Result<Comparison, ActionError> {
    let test = spec.test.unwrap_or(TestKind::Noninferiority);
    let margin = match (test, spec.margin) {
        (TestKind::Superiority, None) => 0.0,
        (TestKind::Absolute, None) => {
            return Err(wrong(spec.name, "needs its floor (a loss: its ceiling) as margin"));
        }
        (_, margin) => margin.unwrap_or_else(|| default_margin(spec.name)),
    };
    let defaults = Comparison::noninferiority(spec.name, margin);
    let alpha = spec.alpha.unwrap_or(defaults.alpha);
    let fits = match test {
        TestKind::Noninferiority => margin >= 0.0,
        TestKind::Superiority => margin == 0.0,
        TestKind::Equivalence => margin > 0.0,
        TestKind::Absolute => true,
    };
    if !fits || !margin.is_finite() {
        return Err(wrong(
            spec.name,
            &format!("has a margin of {margin}, which fits no such test"),
        ));
    }
    if !(alpha > 0.0 && alpha < 0.5) {
        return Err(wrong(spec.name, &format!("has alpha {alpha}, not between 0 and 0.5")));
    }
    let min_n = spec.min_n.unwrap_or(defaults.min_n);
    Ok(Comparison { test, alpha, min_n, seed: spec.seed.unwrap_or(0), ..defaults })
}

fn default_margin(metric: MetricKind) -> f64 {
    match metric {
        MetricKind::Accuracy | MetricKind::RocAuc | MetricKind::LogLoss => 0.01,
        MetricKind::Brier => 0.005,
        MetricKind::F1 | MetricKind::Precision | MetricKind::Recall | MetricKind::Mcc => 0.02,
    }
}

fn wrong(metric: MetricKind, what: &str) -> ActionError {
    ActionError::input(format!("the input metrics: {} {what}", metric_name(metric)), "")
}

/// The metric's name as the input writes it.
pub(super) fn metric_name(metric: MetricKind) -> String {
    if metric == MetricKind::RocAuc {
        return "auc".to_owned();
    }
    let word = serde_json::to_value(metric).ok();
    word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
