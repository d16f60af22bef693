//! `action.yml` of an action that somebody else wrote: checked, and used by a workflow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_core::check::check_action;
use pawl_core::planner::{LoadedAction, PlanOptions, plan_view, plan_with_warnings};
use pawl_core::trigger::TriggerEvent;
use pawl_core::workflow::{Workflow, parse};
use std::sync::LazyLock;

static WORKFLOW: LazyLock<Workflow> = LazyLock::new(|| {
    let text = "on: push\njobs:\n  a:\n    runs-on: pawl\n    steps:\n      - uses: ./a\n        with: { x: 1 }\n";
    parse("w.yml", text).0.expect("a sound workflow")
});

fuzz_target!(|text: &str| {
    // YAML takes a lone carriage return for the end of a line, too.
    let lines = text.split(['\n', '\r']).count();
    for found in check_action("a/action.yml", text) {
        assert!(found.line >= 1 && found.line as usize <= lines + 1 && found.column >= 1);
    }
    let loaded = LoadedAction {
        file: "a/action.yml".to_owned(),
        text: text.to_owned(),
        folder: "/a".to_owned(),
    };
    let mut options = PlanOptions::default();
    options.actions.insert("./a".to_owned(), loaded);
    let event = TriggerEvent { name: "push".to_owned(), ..TriggerEvent::default() };
    if let (Some(plan), _) = plan_with_warnings(&WORKFLOW, &event, &options) {
        plan_view(&plan);
    }
});
