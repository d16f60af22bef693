//! What the report shows, picked from the reports of a run's steps. Steps are recognised by the shape of their reports,
//! so that a user's own script that prints such a report is shown, too.

use super::filters::{icon, line as line_of};
use crate::dataset::data_in_reports;
use pawl_core::ports::RunFacts;
use serde::Serialize;
use serde_json::{Value, json};

/// Everything that the template shows.
#[derive(Debug, Serialize)]
pub(super) struct View {
    pub(super) headline: Headline,
    title: String,
    gate: Option<Gate>,
    flips: Value,
    models: Vec<Value>,
    validations: Vec<Value>,
    drifts: Vec<Value>,
    versions: Vec<Value>,
    rollouts: Vec<Vec<(String, String)>>,
    jobs: Vec<(String, String)>,
    sources: Vec<(String, String)>,
    reproduce: String,
    show: Show,
    left_out: String,
}

/// The first line.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Headline {
    icon: &'static str,
    pub(super) verdict: String,
    pub(super) sentence: String,
}

/// Which parts are shown.
#[derive(Debug, Serialize)]
struct Show {
    slices: bool,
    checks: bool,
    jobs: bool,
}

/// A part that can be left out of a report that is too long.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Slices,
    Checks,
    Jobs,
}

#[derive(Debug, Serialize)]
struct Gate {
    verdict: String,
    overall: Vec<Value>,
    slices: Vec<Value>,
}

impl View {
    pub(super) fn of(facts: &RunFacts, title: &str) -> Self {
        let gate = last(facts, |report| report["comparisons"].is_array()).map(gate);
        let evaluation = last(facts, is_evaluation);
        let rollout = last(facts, is_rollout);
        let validations: Vec<&Value> =
            facts.reports.values().filter(|report| report["checks"].is_array()).collect();
        Self {
            headline: headline(facts, gate.as_ref(), rollout, &validations),
            title: if title.is_empty() { "Report".to_owned() } else { title.to_owned() },
            flips: evaluation.map_or(Value::Null, |report| report["flips"].clone()),
            models: evaluation.map(models).unwrap_or_default(),
            validations: validations.into_iter().map(validation).collect(),
            drifts: facts.reports.values().filter(|report| is_drift(report)).map(drift).collect(),
            versions: versions(facts),
            rollouts: rollout.map(rollout_facts).into_iter().collect(),
            jobs: facts.jobs.iter().map(|(job, end)| (job.clone(), end.clone())).collect(),
            sources: sources(facts),
            reproduce: fenced(&facts.reproduce),
            gate,
            show: Show { slices: true, checks: true, jobs: true },
            left_out: String::new(),
        }
    }
}

impl View {
    /// Leaves a part out and remembers to say so.
    pub(super) fn leave_out(&mut self, part: Part) {
        let (shown, name) = match part {
            Part::Slices => (&mut self.show.slices, "slices"),
            Part::Checks => (&mut self.show.checks, "checks of the data"),
            Part::Jobs => (&mut self.show.jobs, "jobs"),
        };
        *shown = false;
        if !self.left_out.is_empty() {
            self.left_out.push_str(", ");
        }
        self.left_out.push_str(name);
    }
}

/// The last report of the run that looks like this.
fn last(facts: &RunFacts, looks: impl Fn(&Value) -> bool) -> Option<&Value> {
    facts.reports.values().rev().find(|report| looks(report))
}

fn is_evaluation(report: &Value) -> bool {
    report["candidate"].is_object() && report["n"].is_u64()
}

fn is_drift(report: &Value) -> bool {
    report["drifted"].is_boolean() && report["columns"].is_array()
}

fn is_rollout(report: &Value) -> bool {
    report["service"].is_string() && report["revision"].is_u64()
}

/// The versions of data that steps brought or made, each once.
fn versions(facts: &RunFacts) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    let listed = facts.reports.values().filter_map(|report| report["versions"].as_array());
    for version in listed.flatten().filter(|version| version["digest"].is_string()) {
        if !all.contains(version) {
            all.push(version.clone());
        }
    }
    all
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

// ---------------------------------------------------------------- headline

fn headline(
    facts: &RunFacts,
    gate: Option<&Gate>,
    rollout: Option<&Value>,
    validations: &[&Value],
) -> Headline {
    let line = |verdict: &str, sentence: String| Headline {
        icon: icon(verdict),
        verdict: verdict.to_owned(),
        sentence: line_of(&sentence),
    };
    if let Some(report) = rollout
        && matches!(report["verdict"].as_str(), Some("rolled-back" | "failed" | "stuck"))
    {
        let word = text(&report["verdict"]);
        let (service, number) = (text(&report["service"]), &report["revision"]);
        return line(&word, format!("{service} revision {number}: {}", text(&report["reason"])));
    }
    if let Some(gate) = gate {
        return line(&gate.verdict, format!("{}{}", gate.sentence(), live(rollout)));
    }
    let broken = |report: &&&Value| matches!(report["verdict"].as_str(), Some("fail" | "error"));
    if let Some(report) = validations.iter().find(broken) {
        let checks = report["checks"].as_array().map_or(0, |checks| {
            checks
                .iter()
                .filter(|c| matches!(c["verdict"].as_str(), Some("fail" | "error")))
                .count()
        });
        return line("fail", format!("the data breaks {checks} rules of its contract"));
    }
    let ended_badly = |end: &&(_, &String)| !matches!(end.1.as_str(), "success" | "skipped");
    if let Some((job, end)) = facts.jobs.iter().find(|end| ended_badly(&end)) {
        return line("fail", format!("the job {job} ended with {end}"));
    }
    line("done", format!("no gate was asked in this run{}", live(rollout)))
}

/// What of a good rollout belongs into the first line.
fn live(rollout: Option<&Value>) -> String {
    rollout.map_or(String::new(), |report| {
        let (service, address) = (text(&report["service"]), text(&report["address"]));
        format!("; {service} revision {} is live at {address}", report["revision"])
    })
}

impl Gate {
    fn sentence(&self) -> String {
        match self.verdict.as_str() {
            "pass" => "the candidate is good enough on every metric".to_owned(),
            "no-baseline" => {
                "this is the first model: there was nothing to compare with".to_owned()
            }
            word => {
                let all = self.overall.iter().chain(&self.slices);
                let worst = all.into_iter().find(|report| report["verdict"] == word);
                worst.map_or("the gate gave no reason".to_owned(), |report| {
                    let slice = match &report["slice"] {
                        Value::String(slice) => format!(" in {slice}"),
                        _ => String::new(),
                    };
                    format!("{}{slice}: {}", text(&report["metric"]), text(&report["reason"]))
                })
            }
        }
    }
}

// ---------------------------------------------------------------- sections

fn gate(report: &Value) -> Gate {
    let mut comparisons = objects(&report["comparisons"]);
    for comparison in &mut comparisons {
        if !comparison["interval"].is_array() {
            comparison["interval"] = json!([null, null]);
        }
    }
    let (slices, overall): (Vec<Value>, Vec<Value>) =
        comparisons.into_iter().partition(|comparison| comparison["slice"].is_string());
    Gate { verdict: text(&report["verdict"]), overall, slices: worst_first(slices) }
}

/// The objects of a list; what else a script may have put there is not shown.
fn objects(list: &Value) -> Vec<Value> {
    let items = list.as_array().into_iter().flatten();
    items.filter(|item| item.is_object()).cloned().collect()
}

/// Slices that failed first, then those with the greatest loss.
fn worst_first(mut slices: Vec<Value>) -> Vec<Value> {
    let rank = |report: &Value| match report["verdict"].as_str() {
        Some("error") => 0,
        Some("fail") => 1,
        Some("inconclusive") => 2,
        _ => 3,
    };
    let difference = |report: &Value| report["difference"].as_f64().unwrap_or(0.0);
    slices.sort_by(|a, b| rank(a).cmp(&rank(b)).then(difference(a).total_cmp(&difference(b))));
    slices
}

fn models(evaluation: &Value) -> Vec<Value> {
    ["baseline", "candidate"]
        .into_iter()
        .filter(|role| evaluation[role].is_object())
        .map(|role| {
            let mut model = evaluation[role].clone();
            model["role"] = role.into();
            model
        })
        .collect()
}

fn validation(report: &Value) -> Value {
    let checks = objects(&report["checks"]);
    let total = checks.len();
    let others: Vec<Value> = checks
        .into_iter()
        .filter(|check| check["verdict"] != "pass")
        .map(|mut check| {
            check["first"] = match &check["samples"][0]["row"] {
                Value::Number(row) => format!("row {row}").into(),
                _ => counted(&check["findings"]).into(),
            };
            check
        })
        .collect();
    json!({
        "verdict": report["verdict"], "rows": report["rows"], "checks": total,
        "passed": total - others.len(), "others": others,
        "histograms": objects(&report["histograms"]).into_iter().take(DRIFT_COLUMNS).collect::<Vec<_>>(),
    })
}

/// The columns that count against a rule.
fn counted(findings: &Value) -> String {
    let bad = objects(findings).into_iter().filter(|finding| finding["counts"] == true);
    let names = bad.filter_map(|finding| finding["column"].as_str().map(str::to_owned));
    names.collect::<Vec<_>>().join(", ")
}

/// Columns of a comparison with a reference that are shown: those that drifted first, then those nearest to it.
const DRIFT_COLUMNS: usize = 20;

fn drift(report: &Value) -> Value {
    let mut columns = objects(&report["columns"]);
    let drifted = columns.iter().filter(|column| column["drifted"] == true).count();
    let all = columns.len();
    let nearness = |column: &Value| {
        let number = |name: &str| column[name].as_f64().unwrap_or(0.0);
        let share = number("score") / number("threshold");
        (column["drifted"] != true, -share.clamp(0.0, f64::MAX))
    };
    columns.sort_by(|a, b| {
        let (a, b) = (nearness(a), nearness(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    columns.truncate(DRIFT_COLUMNS);
    for column in &mut columns {
        if !column["status"].is_string() {
            column["status"] = if column["drifted"] == true { "drifted" } else { "same" }.into();
        }
    }
    json!({ "drifted": drifted, "all": all, "columns": columns, "more": all - columns.len() })
}

/// The rollout's facts in the order in which a reader asks for them.
fn rollout_facts(report: &Value) -> Vec<(String, String)> {
    let keys = [
        "verdict",
        "service",
        "revision",
        "address",
        "model",
        "version",
        "previous",
        "requests",
        "failures",
        "reason",
        "last_words",
    ];
    let mut facts: Vec<(String, String)> = keys
        .iter()
        .map(|key| ((*key).replace('_', " "), text(&report[*key])))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    if let Some(alias) = report["alias"].as_object() {
        let part = |key: &str| alias.get(key).map(text).filter(|text| !text.is_empty());
        let before = part("before").unwrap_or_else(|| "nothing".to_owned());
        let after = part("after").unwrap_or_else(|| "nothing".to_owned());
        let name = part("name").unwrap_or_default();
        facts.push(("alias".to_owned(), format!("{name}: {before} -> {after}")));
    }
    facts
}

fn sources(facts: &RunFacts) -> Vec<(String, String)> {
    let dirty = if facts.dirty { " with uncommitted changes" } else { "" };
    let mut sources = vec![
        ("run".to_owned(), facts.run.clone()),
        ("workflow".to_owned(), facts.workflow.clone()),
        ("by".to_owned(), facts.actor.clone()),
        ("commit".to_owned(), format!("{}{dirty}", facts.commit)),
    ];
    let find = |looks: &dyn Fn(&Value) -> bool, key: &str| {
        last(facts, looks).map(|report| text(&report[key])).unwrap_or_default()
    };
    let trained =
        |report: &Value| report["model_digest"].is_string() && report["label"].is_string();
    let built = |report: &Value| report["image"].is_string();
    let candidate = last(facts, is_evaluation)
        .map(|report| text(&report["candidate"]["model_digest"]))
        .filter(|digest| !digest.is_empty());
    let validated = |report: &Value| report["checks"].is_array() && report["data"].is_object();
    let checked = last(facts, validated).map(|report| text(&report["data"]["digest"]));
    let data = |digest: String| match data_in_reports(facts, &digest) {
        Some(data) => format!("{} {digest} ({} rows)", data.uri, data.rows),
        None => digest,
    };
    sources.push(("validated data".to_owned(), data(checked.unwrap_or_default())));
    sources.push(("training data".to_owned(), data(find(&trained, "data_digest"))));
    sources.push(("test data".to_owned(), data(find(&is_evaluation, "data_digest"))));
    sources.push(("model".to_owned(), candidate.unwrap_or(find(&trained, "model_digest"))));
    sources.push(("image".to_owned(), find(&built, "image")));
    sources.retain(|(_, value)| !value.trim().is_empty());
    sources
}

/// A command as a block that cannot be left.
fn fenced(command: &str) -> String {
    if command.trim().is_empty() {
        return String::new();
    }
    format!("~~~~sh\n{}\n~~~~", command.trim().replace("~~~~", "~~~"))
}
