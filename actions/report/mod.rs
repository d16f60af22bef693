//! `pawl/report`: what a run found, as Markdown that people read.

pub(crate) mod filters;
mod view;

use crate::action::{
    ActionError, Inputs, Manifest, RunnerAction, RunnerContext, built_in_manifest, succeeded,
};
use async_trait::async_trait;
use minijinja::Environment;
use minijinja::value::Serde;
use pawl_core::ports::{ActionOutcome, RunFacts};
use std::sync::LazyLock;
use view::{Part, View};

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    filters::add(&mut environment);
    environment
        .add_template(TEMPLATE, include_str!("report.md.j2"))
        .expect("the built-in template is correct: a test renders it");
    environment
});

const TEMPLATE: &str = "report.md";

/// Longest report, in characters: a comment on a pull request takes 65,536, and what posts it adds some lines.
pub const MAX_CHARS: usize = 60_000;

/// What goes first when the report is too long.
const LEFT_OUT_IN_TURN: [Part; 3] = [Part::Slices, Part::Checks, Part::Jobs];

/// The action.
pub struct Report;

#[async_trait]
impl RunnerAction for Report {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn run(
        &self,
        context: &RunnerContext<'_>,
        inputs: &Inputs,
    ) -> Result<ActionOutcome, ActionError> {
        let path = context.workspace.relative(inputs.text("path"))?;
        let title = inputs.get("title").unwrap_or(&context.facts.workflow);
        let text = render(&context.facts, title);
        context.workspace.write(&path, text.as_bytes())?;
        let headline = View::of(&context.facts, title).headline;
        (context.log)(format!("{}: {}", headline.verdict, headline.sentence));
        let mut outcome = succeeded(serde_json::json!({
            "verdict": headline.verdict, "path": path, "characters": text.chars().count(),
        }));
        outcome.summary = text;
        outcome.outputs.insert("path".to_owned(), path);
        outcome.outputs.insert("verdict".to_owned(), headline.verdict);
        Ok(outcome)
    }
}

/// The report of a run as Markdown, at most [`MAX_CHARS`] characters. When it would be longer, slices go first, then
/// the contract's checks, then the jobs; the verdict stays.
pub fn render(facts: &RunFacts, title: &str) -> String {
    let mut view = View::of(facts, title);
    let mut text = write(&view);
    for part in LEFT_OUT_IN_TURN {
        if text.chars().count() <= MAX_CHARS {
            return text;
        }
        view.leave_out(part);
        text = write(&view);
    }
    if text.chars().count() <= MAX_CHARS {
        return text;
    }
    let kept: String = text.chars().take(MAX_CHARS - 40).collect();
    format!("{kept}\n\n(cut here: too long)\n")
}

fn write(view: &View) -> String {
    let template = TEMPLATES.get_template(TEMPLATE).expect("it was added above");
    let text = template.render(Serde(view)).unwrap_or_else(|error| {
        // A report must not change a result: the verdict is told even when the rest cannot be.
        format!("{} – {}\n\n({error})\n", view.headline.verdict, view.headline.sentence)
    });
    collapse_blank_lines(&text)
}

/// Template control lines leave blank ones behind: at most one in a row stays.
fn collapse_blank_lines(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut blank = true;
    for line in text.lines().map(str::trim_end) {
        if !(blank && line.is_empty()) {
            kept.push_str(line);
            kept.push('\n');
        }
        blank = line.is_empty();
    }
    kept.truncate(kept.trim_end().len());
    kept.push('\n');
    kept
}

#[cfg(test)]
mod tests;
