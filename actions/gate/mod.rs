//! `pawl/gate`: may the candidate replace the baseline?

mod evidence;
mod judge;
mod spec;

use crate::action::{
    ActionError, Inputs, Manifest, RunnerAction, RunnerContext, built_in_manifest, succeeded,
};
use crate::dataset::data_in_reports;
use crate::workspace::Workspace;
use async_trait::async_trait;
use evidence::{Answers, Candidate, belong_together};
use judge::{Judgement, SliceWish, judge, refused};
use pawl_core::ports::{ActionOutcome, RunFacts};
use pawl_core::registry::{Lineage, ModelVersion};
use pawl_stats::gate::{Comparison, Verdict};
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// The action.
pub struct Gate;

/// What the gate found before it registers anything.
struct Found {
    judgement: Judgement,
    remarks: Vec<String>,
    evaluation_digest: String,
}

#[async_trait]
impl RunnerAction for Gate {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn run(
        &self,
        context: &RunnerContext<'_>,
        inputs: &Inputs,
    ) -> Result<ActionOutcome, ActionError> {
        let questions = spec::parse(inputs.text("metrics"))?;
        let candidate = Candidate::read(&context.workspace, inputs)?;
        let name = candidate.as_ref().map(|candidate| candidate.name.as_str());
        let production = match name.or(inputs.get("name")) {
            Some(name) => context.registry.resolve(name, inputs.text("alias")).await?,
            None => None,
        };
        let found =
            find(context, inputs, questions, candidate.as_ref(), production.clone()).await?;
        for line in found.remarks.iter().chain(&found.judgement.lines()) {
            (context.log)(line.clone());
        }
        let version = match &candidate {
            // What could not be judged is no version of anything.
            Some(candidate) if found.judgement.verdict != Verdict::Error => {
                Some(register(context, candidate, production.as_ref(), &found).await?)
            }
            _ => None,
        };
        let digest = candidate.map_or(String::new(), |candidate| candidate.digest);
        Ok(outcome(inputs, &found, version.as_ref(), digest))
    }
}

/// Reads and judges, on a thread of its own: large files take seconds.
async fn find(
    context: &RunnerContext<'_>,
    inputs: &Inputs,
    questions: Vec<Comparison>,
    candidate: Option<&Candidate>,
    production: Option<ModelVersion>,
) -> Result<Found, ActionError> {
    let workspace = context.workspace.clone();
    let model = candidate.map(|candidate| candidate.digest.clone());
    let inputs = inputs.clone();
    tokio::task::spawn_blocking(move || {
        examine(&workspace, &inputs, &questions, model.as_deref(), production.as_ref())
    })
    .await
    .map_err(|error| ActionError::internal(format!("the comparison ended: {error}")))?
}

fn examine(
    workspace: &Workspace,
    inputs: &Inputs,
    questions: &[Comparison],
    model: Option<&str>,
    production: Option<&ModelVersion>,
) -> Result<Found, ActionError> {
    let candidate = Answers::read(workspace, inputs.text("candidate"))?;
    let baseline = Answers::read_if_there(workspace, inputs.text("baseline"))?;
    let evaluation_digest = candidate.data_digest().to_owned();
    let (judgement, remarks) =
        match belong_together(&candidate, baseline.as_ref(), model, production) {
            Err(reason) => (refused(questions, &reason), Vec::new()),
            Ok(remarks) => {
                let judged = compare(questions, &candidate, baseline.as_ref(), &wish(inputs));
                (judged.unwrap_or_else(|reason| refused(questions, &reason)), remarks)
            }
        };
    Ok(Found { judgement, remarks, evaluation_digest })
}

fn compare(
    questions: &[Comparison],
    candidate: &Answers,
    baseline: Option<&Answers>,
    wish: &SliceWish,
) -> Result<Judgement, String> {
    let candidate = candidate.predictions.as_ref().map_err(Clone::clone)?;
    let baseline = match baseline {
        Some(answers) => Some(answers.predictions.as_ref().map_err(Clone::clone)?),
        None => None,
    };
    judge(questions, candidate, baseline, wish)
}

fn wish(inputs: &Inputs) -> SliceWish {
    let columns = match inputs.text("slices").trim() {
        "all" => None,
        "none" => Some(Vec::new()),
        _ => Some(inputs.list("slices")),
    };
    SliceWish { columns, required: inputs.flag("require-slices") }
}

async fn register(
    context: &RunnerContext<'_>,
    candidate: &Candidate,
    production: Option<&ModelVersion>,
    found: &Found,
) -> Result<ModelVersion, ActionError> {
    let training = candidate.model.training();
    let lineage = Lineage {
        data_digest: training.data_digest.clone(),
        commit: commit(&context.facts),
        run: context.facts.run.clone(),
        evaluation_digest: found.evaluation_digest.clone(),
        baseline: production.map(|version| version.version),
        verdict: found.judgement.word(),
        report: found.judgement.to_json(),
        data: data_in_reports(&context.facts, &training.data_digest),
        evaluation_data: data_in_reports(&context.facts, &found.evaluation_digest),
    };
    let stored = context.objects.put(candidate.bytes.clone()).await?;
    if stored != candidate.digest {
        return Err(ActionError::internal(format!(
            "the store calls {} {stored}",
            candidate.digest
        )));
    }
    let version = context.registry.register(&candidate.name, &stored, &lineage).await?;
    if version.lineage != lineage {
        // The same run asked before, perhaps with other questions: the last answer counts.
        context.registry.set_lineage(&candidate.name, version.version, &lineage).await?;
    }
    (context.log)(format!("{} is version {} of {}", stored, version.version, candidate.name));
    Ok(version)
}

fn commit(facts: &RunFacts) -> String {
    let dirty = if facts.dirty && !facts.commit.is_empty() { "-dirty" } else { "" };
    format!("{}{dirty}", facts.commit)
}

fn outcome(
    inputs: &Inputs,
    found: &Found,
    version: Option<&ModelVersion>,
    digest: String,
) -> ActionOutcome {
    let judgement = &found.judgement;
    let word = judgement.word();
    let success = match judgement.verdict {
        Verdict::Pass => true,
        Verdict::NoBaseline => inputs.flag("allow-first"),
        Verdict::Inconclusive => inputs.text("on-inconclusive").trim() == "warn",
        Verdict::Fail | Verdict::Error => false,
    };
    let mut outcome = succeeded(judgement.to_json());
    outcome.success = success;
    outcome.summary = format!("**{word}**\n\n- {}\n", judgement.lines().join("\n- "));
    outcome.reason = (!success).then(|| reason(judgement, &word));
    let version = version.map_or(String::new(), |version| version.version.to_string());
    for (name, value) in [("verdict", word), ("version", version), ("digest", digest)] {
        outcome.outputs.insert(name.to_owned(), value);
    }
    outcome
}

fn reason(judgement: &Judgement, word: &str) -> String {
    if judgement.verdict == Verdict::NoBaseline {
        return "no-baseline: there is no model to compare with; the first one passes only with \
                allow-first: true"
            .to_owned();
    }
    let worst = judgement.comparisons.iter().find(|report| report.verdict == judgement.verdict);
    format!("{word}: {}", worst.map_or("", |report| report.reason.as_str()))
}

#[cfg(test)]
mod tests;
