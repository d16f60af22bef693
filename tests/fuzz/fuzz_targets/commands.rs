//! What a step prints: command lines, also while commands are stopped.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_core::commands::{WorkflowCommand, parse_line};

fuzz_target!(|text: &str| {
    let mut stopped: Option<String> = None;
    for line in text.lines() {
        match parse_line(line, stopped.as_deref()) {
            Some(WorkflowCommand::Stop(word)) => stopped = Some(word),
            Some(WorkflowCommand::Resume) => stopped = None,
            Some(_) => assert!(stopped.is_none(), "a command while commands are stopped"),
            None => {}
        }
    }
});
