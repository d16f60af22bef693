//! A sound workflow on its way to a plan, for each event that it listens to: the stored plan reads back as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_core::diagnostic::Diagnostic;
use pawl_core::plan::Plan;
use pawl_core::planner::{PlanOptions, plan, plan_view};
use pawl_core::trigger::TriggerEvent;
use pawl_core::workflow::parse;

fuzz_target!(|text: &str| {
    let (Some(workflow), found) = parse("w.yml", text) else { return };
    if found.iter().any(Diagnostic::is_error) {
        return;
    }
    let mut options = PlanOptions::default();
    options.images.insert("linux".to_owned(), "base:1".to_owned());
    for trigger in &workflow.triggers {
        let event = TriggerEvent { name: trigger.event.clone(), ..TriggerEvent::default() };
        let Ok(plan) = plan(&workflow, &event, &options) else { continue };
        plan_view(&plan);
        let stored = serde_json::to_string(&plan).expect("a plan is plain data");
        let read: Plan = serde_json::from_str(&stored).expect("a stored plan can be read");
        assert_eq!(read.hash(), plan.hash());
    }
});
