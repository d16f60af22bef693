//! The one gate through which every event passes before it is written or shown: no secret value gets behind it.

use crate::mask::{MaskRefused, Masker};
use crate::vault::Vault;
use indexmap::IndexMap;
use pawl_core::event::{Annotation, RunEvent, StepEffects};

/// Everything that knows secret values, besides the expressions.
pub(crate) struct Scrubber {
    pub(crate) masker: Masker,
    pub(crate) vault: Vault,
}

impl Scrubber {
    /// Treats this value as a secret from now on.
    pub(crate) fn add(&mut self, value: &str) -> Result<(), MaskRefused> {
        self.masker.add(value)?;
        self.vault.add(value);
        Ok(())
    }

    /// Takes secrets out of an event. Gives the names of job outputs that had to go.
    pub(crate) fn scrub(&self, event: &mut RunEvent) -> Vec<String> {
        match event {
            RunEvent::Log { text, .. } | RunEvent::ServiceLog { text, .. } => {
                self.masker.mask_in_place(text);
            }
            RunEvent::StepAnnotated { annotation, .. } => self.scrub_annotation(annotation),
            RunEvent::StepRetried { reason, .. }
            | RunEvent::CancelRequested { reason }
            | RunEvent::JobCancelRequested { reason, .. } => self.masker.mask_in_place(reason),
            RunEvent::StepFinished { reason, effects, .. } => {
                self.mask_option(reason);
                self.scrub_effects(effects);
            }
            RunEvent::JobFinished { outputs, environment, reason, .. } => {
                self.mask_option(reason);
                if let Some(deployed) = environment {
                    self.masker.mask_in_place(&mut deployed.name);
                    let hides = |url: &String| self.masker.finds(url) || self.vault.is_sealed(url);
                    deployed.url.take_if(|url| hides(url));
                }
                let mut dropped = Vec::new();
                outputs.retain(|name, value| {
                    let is_secret = self.masker.finds(value) || self.vault.is_sealed(value);
                    if is_secret {
                        dropped.push(name.clone());
                    }
                    !is_secret
                });
                return dropped;
            }
            RunEvent::RunRequested { .. }
            | RunEvent::RunPlanned { .. }
            | RunEvent::JobExpanded { .. }
            | RunEvent::JobCalled { .. }
            | RunEvent::GroupAsked { .. }
            | RunEvent::GroupEntered { .. }
            | RunEvent::JobStarted { .. }
            | RunEvent::JobReady { .. }
            | RunEvent::StepQueued { .. }
            | RunEvent::StepIntended { .. }
            | RunEvent::StepStarted { .. }
            | RunEvent::JobClosed { .. }
            | RunEvent::RunResumed
            | RunEvent::RunReopened
            | RunEvent::RunFinished { .. } => {}
        }
        Vec::new()
    }

    fn mask_option(&self, text: &mut Option<String>) {
        if let Some(text) = text {
            self.masker.mask_in_place(text);
        }
    }

    fn scrub_annotation(&self, annotation: &mut Annotation) {
        self.masker.mask_in_place(&mut annotation.message);
        self.mask_option(&mut annotation.title);
        self.mask_option(&mut annotation.file);
    }

    /// A script may build a name from a secret. Nothing later can ask for it but by that secret, so it need not stay usable.
    fn mask_names(&self, values: &mut IndexMap<String, String>) {
        if values.keys().any(|name| self.masker.finds(name)) {
            *values = std::mem::take(values)
                .into_iter()
                .map(|(mut name, value)| {
                    self.masker.mask_in_place(&mut name);
                    (name, value)
                })
                .collect();
        }
    }

    /// What later steps get is sealed, so that they still get it; what people get is masked.
    fn scrub_effects(&self, effects: &mut StepEffects) {
        let StepEffects { outputs, env, path, state, summary: _, report: _, matchers: _ } = effects;
        for named in [&mut *outputs, &mut *env, &mut *state] {
            self.mask_names(named);
        }
        let values = outputs.values_mut().chain(env.values_mut()).chain(state.values_mut());
        for value in values.chain(path) {
            self.vault.seal(value);
            self.masker.mask_in_place(value);
        }
        self.masker.mask_shown(effects);
    }
}

#[cfg(test)]
mod tests {
    use super::{Masker, Scrubber, Vault};
    use indexmap::IndexMap;
    use pawl_core::event::{Conclusion, Deployed, RunEvent, StepEffects};
    use pawl_core::ids::{JobKey, StepPath};

    fn scrubber() -> Scrubber {
        let secrets = IndexMap::from([("KEY".to_owned(), "hunter2!".to_owned())]);
        let (masker, _) = Masker::with_secrets(&secrets);
        Scrubber { masker, vault: Vault::new("n".to_owned(), &secrets) }
    }

    fn one(name: &str, value: &str) -> IndexMap<String, String> {
        IndexMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn job_outputs_with_a_secret_are_dropped_by_name() {
        let mut outputs = one("good", "1");
        outputs.extend(one("raw", "x hunter2! y"));
        outputs.extend(one("sealed", "***[n:KEY]"));
        outputs.extend(one("encoded", "aHVudGVyMiE="));
        let mut event = RunEvent::JobFinished {
            job: JobKey("a".to_owned()),
            conclusion: Conclusion::Success,
            tolerated: false,
            outputs,
            environment: Some(Deployed {
                name: "prod".to_owned(),
                url: Some("https://x.test/?key=hunter2!".to_owned()),
                deployment: true,
            }),
            reason: Some("said hunter2!".to_owned()),
        };
        assert_eq!(scrubber().scrub(&mut event), ["raw", "sealed", "encoded"]);
        let RunEvent::JobFinished { outputs, environment, reason, .. } = event else { panic!() };
        let environment = environment.expect("it is kept");
        assert_eq!((environment.name.as_str(), environment.url), ("prod", None));
        assert_eq!(outputs, one("good", "1"));
        assert_eq!(reason.as_deref(), Some("said ***"));
    }

    #[test]
    fn what_a_step_leaves_is_sealed_for_steps_and_masked_for_people() {
        let effects = StepEffects {
            outputs: one("o", "hunter2!"),
            env: [one("E", "a hunter2! aHVudGVyMiE="), one("N_hunter2!", "1")]
                .into_iter()
                .flatten()
                .collect(),
            path: vec!["/hunter2!/bin".to_owned()],
            state: one("s", "plain"),
            summary: "hunter2!".to_owned(),
            report: serde_json::json!(["hunter2!"]),
            matchers: Vec::new(),
        };
        let mut event = RunEvent::StepFinished {
            job: JobKey("a".to_owned()),
            step: StepPath::top(0),
            attempt: 1,
            outcome: Conclusion::Success,
            conclusion: Conclusion::Success,
            exit_code: Some(0),
            duration_ms: 1,
            reason: None,
            effects: Box::new(effects),
        };
        scrubber().scrub(&mut event);
        assert!(!serde_json::to_string(&event).unwrap().contains("hunter2!"));
        let RunEvent::StepFinished { effects, .. } = event else { panic!() };
        assert_eq!(effects.outputs["o"], "***[n:KEY]");
        assert_eq!(effects.env["E"], "a ***[n:KEY] ***");
        assert_eq!(effects.env["N_***"], "1");
        assert_eq!(effects.path, ["/***[n:KEY]/bin"]);
        assert_eq!(effects.state["s"], "plain");
        assert_eq!((effects.summary.as_str(), effects.report), ("***", serde_json::json!(["***"])));
    }
}
