//! Carries the machine's steps out: the only place of a rollout that touches target, store and clock.

use super::golden::{self, GoldenReport, GoldenRow};
use super::machine::{self, End, Event, Phase, Plan, Step};
use super::session::Session;
use crate::action::ActionError;
use pawl_core::registry::RegistryError;
use pawl_core::rollout::{ObservedRevision, ProbeRequest, Revision, RevisionState, RolloutError};
use serde::Serialize;
use std::time::Duration;

/// Time for one health probe.
const HEALTH_PROBE_MS: u64 = 2_000;
/// What is kept of a reason, characters.
const REASON_MAX: usize = 600;
/// Entries of a report: a rollout has about ten different steps.
const TRACE_MAX: usize = 100;

/// What happens when the alias is not where it was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AliasRule {
    /// The rollout fails.
    MustMove,
    /// It is said, and the alias left alone: traffic matters more.
    MayStay,
}

/// One rollout, ready to begin.
pub(crate) struct Rollout {
    pub(crate) session: Session,
    pub(crate) plan: Plan,
    pub(crate) revision: Revision,
    pub(crate) golden: Vec<GoldenRow>,
    pub(crate) tolerance: f64,
    pub(crate) alias_rule: AliasRule,
    pub(crate) seen: Seen,
}

/// One line of the report's trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Traced {
    pub(crate) step: String,
    pub(crate) after_ms: i64,
    pub(crate) result: String,
}

/// What a rollout saw on its way.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) golden: Option<GoldenReport>,
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) last_words: String,
    pub(crate) alias_note: Option<String>,
    pub(crate) trace: Vec<Traced>,
    /// The environment's fault that kept the revision from starting: no verdict on the revision.
    pub(crate) environment: Option<ActionError>,
}

impl Rollout {
    /// Runs to the end.
    pub(crate) async fn run(mut self) -> (End, Seen, Revision) {
        let begin = self.session.now();
        let (mut phase, mut event) = (Phase::New, Event::Begun);
        loop {
            let (now, cancelled) = (self.session.now(), self.session.cancelled());
            let (after, step) = machine::next(&self.plan, phase, event, now, cancelled);
            phase = after;
            if let Step::End(end) = step {
                return (end, self.seen, self.revision);
            }
            let name = describe(&step);
            event = self.perform(step).await;
            self.trace(name, now - begin, &event);
        }
    }

    /// Adds a line, or renews the last one when the same step was only repeated.
    fn trace(&mut self, step: String, after_ms: i64, event: &Event) {
        let result = match event {
            Event::Begun | Event::Done(Ok(())) => "ok".to_owned(),
            Event::Done(Err(reason)) => reason.clone(),
            Event::Health { ready: true, .. } => "ready".to_owned(),
            Event::Health { detail, .. } => detail.clone(),
            Event::Counted { failures, .. } => {
                format!("{} requests, {failures} failures", self.seen.requests)
            }
        };
        match self.seen.trace.last_mut() {
            Some(last) if last.step == step => last.result = result,
            _ => {
                self.session.say(format!("{step}: {result}"));
                if self.seen.trace.len() < TRACE_MAX {
                    self.seen.trace.push(Traced { step, after_ms, result });
                }
            }
        }
    }

    async fn perform(&mut self, step: Step) -> Event {
        match step {
            Step::Stage => done(self.stage().await),
            Step::AskHealth { after_ms } => {
                pause(after_ms).await;
                self.ask_health().await
            }
            Step::AskGolden => done(self.ask_golden().await),
            Step::Route(weights) => done(self.route(&weights).await),
            Step::Count { after_ms } => {
                pause(after_ms).await;
                self.count().await
            }
            Step::Promote => done(self.promote().await),
            Step::Settle { after_ms } => {
                pause(after_ms).await;
                done(self.settle().await)
            }
            Step::Return { after_ms } => {
                pause(after_ms).await;
                done(self.give_back().await)
            }
            Step::Remove { after_ms } => {
                pause(after_ms).await;
                let (service, number) = (&self.revision.service, self.revision.number);
                let removed = self.session.ports.target.remove(service, number).await;
                done(removed.map_err(with_hint))
            }
            Step::Record(reason) => done(self.record(reason).await),
            Step::End(_) => Event::Begun,
        }
    }

    async fn stage(&mut self) -> Result<(), String> {
        let Err(error) = self.session.ports.target.stage(&self.revision).await else {
            return Ok(());
        };
        if let RolloutError::Environment { message, hint } = &error {
            self.seen.environment = Some(ActionError::environment(message, hint));
        }
        Err(with_hint(error))
    }

    async fn route(&self, weights: &[(u64, u32)]) -> Result<(), String> {
        let (service, port) = (&self.revision.service, self.revision.port);
        self.session.ports.target.route(service, port, weights).await.map_err(with_hint)
    }

    async fn observe_new(&self) -> Result<Option<ObservedRevision>, String> {
        let service = &self.revision.service;
        let observed = self.session.ports.target.observe(service).await.map_err(with_hint)?;
        let number = self.revision.number;
        Ok(observed.revisions.into_iter().find(|revision| revision.number == number))
    }

    async fn ask_health(&mut self) -> Event {
        let request = ProbeRequest {
            method: "GET".to_owned(),
            path: self.revision.health_path.clone(),
            body: Vec::new(),
            timeout_ms: HEALTH_PROBE_MS,
        };
        let (service, number) = (&self.revision.service, self.revision.number);
        let detail = match self.session.ports.target.probe(service, number, &request).await {
            Ok(response) if response.status == 200 => {
                return Event::Health { ready: true, running: true, detail: String::new() };
            }
            Ok(response) => format!("{} answers {}", request.path, response.status),
            Err(error) => with_hint(error),
        };
        match self.observe_new().await {
            Ok(Some(seen)) => {
                self.remember_words(&seen);
                Event::Health { ready: false, running: stays_up(&seen), detail }
            }
            Ok(None) => Event::Health { ready: false, running: false, detail },
            Err(detail) => Event::Health { ready: false, running: true, detail },
        }
    }

    fn remember_words(&mut self, seen: &ObservedRevision) {
        if !seen.last_words.is_empty() {
            self.seen.last_words.clone_from(&seen.last_words);
        }
    }

    async fn ask_golden(&mut self) -> Result<(), String> {
        if self.golden.is_empty() {
            return Ok(());
        }
        let (service, number) = (&self.revision.service, self.revision.number);
        let target = self.session.ports.target.as_ref();
        let report = golden::ask(target, service, number, &self.golden, self.tolerance).await?;
        self.seen.golden = Some(report);
        Ok(())
    }

    async fn count(&mut self) -> Event {
        match self.observe_new().await {
            Ok(Some(seen)) => {
                self.remember_words(&seen);
                (self.seen.requests, self.seen.failures) = (seen.requests, seen.failures);
                let (running, failures) = (stays_up(&seen), seen.failures);
                Event::Counted { running, failures, detail: "its container ended".to_owned() }
            }
            Ok(None) => {
                let detail = "its container is gone".to_owned();
                Event::Counted { running: false, failures: self.seen.failures, detail }
            }
            Err(detail) => Event::Counted { running: false, failures: self.seen.failures, detail },
        }
    }

    /// Moves the alias by compare-and-swap. Pointing at the new version already is fine: an earlier attempt did it.
    async fn promote(&mut self) -> Result<(), String> {
        let revision = &self.revision;
        if revision.alias.is_empty() {
            return Ok(());
        }
        let registry = &self.session.ports.registry;
        let (model, alias) = (&revision.model, &revision.alias);
        let now = registry.resolve(model, alias).await.map_err(|error| error.to_string())?;
        if now.is_some_and(|found| found.version == revision.version) {
            return Ok(());
        }
        let (expected, new) = (revision.alias_before, Some(revision.version));
        match registry.set_alias(model, alias, expected, new).await {
            Ok(()) => Ok(()),
            Err(error @ RegistryError::Moved { .. }) if self.alias_rule == AliasRule::MayStay => {
                self.seen.alias_note = Some(format!("{error}: left alone"));
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Writes the states down in one transaction; then removes what is not needed any more.
    async fn settle(&mut self) -> Result<(), String> {
        let (service, number) = (self.revision.service.clone(), self.revision.number);
        let revisions = &self.session.ports.revisions;
        let all = revisions.list(&service).await.map_err(|error| error.to_string())?;
        let states = settled(&all, number);
        revisions.set_states(&service, &states).await.map_err(|error| error.to_string())?;
        self.revision.state = RevisionState::Live;
        // The rollout has succeeded. What follows saves memory; the next rollout would do it too.
        if let Err(reason) = self.route(&[(number, 100)]).await {
            self.session.say(format!("the fallback stays in the routes: {reason}"));
        }
        for (retired, ..) in states.iter().filter(|state| state.1 == RevisionState::Retired) {
            if let Err(error) = self.session.ports.target.remove(&service, *retired).await {
                self.session.say(format!("revision {retired} still runs: {}", with_hint(error)));
            }
        }
        Ok(())
    }

    async fn give_back(&mut self) -> Result<(), String> {
        // What the container says is gone with it: ask before.
        if let Ok(Some(seen)) = self.observe_new().await {
            self.remember_words(&seen);
            if seen.requests > 0 {
                (self.seen.requests, self.seen.failures) = (seen.requests, seen.failures);
            }
        }
        match self.plan.previous {
            Some(previous) => self.route(&[(previous, 100)]).await,
            None => {
                let service = &self.revision.service;
                self.session.ports.target.remove_service(service).await.map_err(with_hint)
            }
        }
    }

    async fn record(&mut self, mut reason: String) -> Result<(), String> {
        if let Some(word) = self.seen.last_words.lines().last() {
            reason = format!("{reason}; its last words: {word}");
        }
        let reason: String = reason.chars().take(REASON_MAX).collect();
        let state = (self.revision.number, RevisionState::Failed, reason);
        self.revision.state = RevisionState::Failed;
        let revisions = &self.session.ports.revisions;
        let service = &self.revision.service;
        revisions.set_states(service, &[state]).await.map_err(|error| error.to_string())
    }
}

/// The new revision is live, the live one warm, older warm ones retired.
fn settled(all: &[Revision], number: u64) -> Vec<(u64, RevisionState, String)> {
    let change = |revision: &Revision| match revision.state {
        _ if revision.number == number => Some(RevisionState::Live),
        RevisionState::Live => Some(RevisionState::Warm),
        RevisionState::Warm => Some(RevisionState::Retired),
        _ => None,
    };
    all.iter()
        .filter_map(|revision| change(revision).map(|to| (revision.number, to, String::new())))
        .collect()
}

/// A new revision that runs and never had to be started again.
fn stays_up(seen: &ObservedRevision) -> bool {
    seen.running && seen.last_words.is_empty()
}

fn describe(step: &Step) -> String {
    match step {
        Step::Stage => "stage".to_owned(),
        Step::AskHealth { .. } => "health".to_owned(),
        Step::AskGolden => "golden rows".to_owned(),
        Step::Route(weights) => format!("route {} %", weights.first().map_or(0, |first| first.1)),
        Step::Count { .. } => "watch".to_owned(),
        Step::Promote => "alias".to_owned(),
        Step::Settle { .. } => "settle".to_owned(),
        Step::Return { .. } => "give the traffic back".to_owned(),
        Step::Remove { .. } => "remove".to_owned(),
        Step::Record(_) => "write down".to_owned(),
        Step::End(_) => "end".to_owned(),
    }
}

fn done(result: Result<(), String>) -> Event {
    Event::Done(result)
}

async fn pause(after_ms: u64) {
    tokio::time::sleep(Duration::from_millis(after_ms)).await;
}

/// The target's error and what to do about it, in one line.
pub(crate) fn with_hint(error: RolloutError) -> String {
    match error {
        RolloutError::Environment { message, hint } | RolloutError::Request { message, hint }
            if !hint.is_empty() =>
        {
            format!("{message} ({hint})")
        }
        error => error.to_string(),
    }
}
