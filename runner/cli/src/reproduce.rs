//! The exact command that repeats a run.

use crate::order::EMPTY_IMAGE;
use pawl_core::plan::{Plan, PlannedJob};
use pawl_core::planner::HOST_LABEL;

/// The command that makes the same plan from the same tree. Secrets are named, their values never shown.
pub(crate) fn command(plan: &Plan) -> String {
    let event = plan.github.get("event_name").and_then(|name| name.as_str()).unwrap_or_default();
    let mut words = vec!["pawl run".to_owned(), quoted(&plan.file)];
    let mut option = |name: &str, value: &str| words.push(format!("--{name} {}", quoted(value)));
    option("event", event);
    option("workspace", &plan.source);
    for (name, value) in plan.inputs.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        option("input", &format!("{name}={value}"));
    }
    plan.vars.iter().for_each(|(name, value)| option("var", &format!("{name}={value}")));
    plan.outer_env.iter().for_each(|(name, value)| option("env", &format!("{name}={value}")));
    images(plan).iter().for_each(|image| option("image", image));
    plan.secrets.iter().for_each(|name| option("secret", name));
    words.join(" ")
}

/// `LABEL=IMAGE` for each label that the command line gave an image to.
fn images(plan: &Plan) -> Vec<String> {
    let mut images = Vec::new();
    let own = |job: &&PlannedJob| !job.is_call() && !job.has_container && job.image.is_literal();
    for job in plan.all_jobs().into_iter().filter(own) {
        let image = job.image.source();
        let given = format!("{}={image}", job.runs_on.first().map_or("", String::as_str));
        if image != HOST_LABEL && image != EMPTY_IMAGE.1 && !images.contains(&given) {
            images.push(given);
        }
    }
    images
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{command, quoted};
    use pawl_core::planner::{PlanOptions, plan};
    use pawl_core::trigger::TriggerEvent;
    use pawl_core::workflow::parse;

    #[test]
    fn words_are_quoted_only_where_they_must() {
        assert_eq!(quoted("a/b.yml"), "a/b.yml");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn everything_that_the_plan_depends_on_is_in_the_command() {
        let text = "on: push\njobs:\n  a: {runs-on: box, steps: [{run: x}]}\n  b: {runs-on: pawl, steps: [{run: x}]}\n";
        let (workflow, _) = parse("w.yml", text);
        let mut event = TriggerEvent { name: "push".to_owned(), ..TriggerEvent::default() };
        event.git.folder = "/a tree".to_owned();
        let options = PlanOptions {
            images: [("box", "i:1"), ("pawl", "scratch")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
            outer_env: [("A".to_owned(), "b c".to_owned())].into(),
            secrets: vec!["TOKEN".to_owned()],
            ..PlanOptions::default()
        };
        let plan = plan(&workflow.expect("a workflow"), &event, &options).expect("a plan");
        let expected = "pawl run w.yml --event push --workspace '/a tree' --env 'A=b c' --image box=i:1 --secret TOKEN";
        assert_eq!(command(&plan), expected);
    }
}
