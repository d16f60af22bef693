//! The real program against the contracts of `docs/events.md` and `docs/exit-codes.md`.

mod actions;
mod background;
mod cancellation;
mod checking;
mod checkout;
mod commands;
mod configuration;
mod evaluating;
mod events;
mod example;
mod exit_codes;
mod hostile_steps;
mod inputs;
mod keeping;
mod limits;
mod masks;
mod planning;
mod recovery;
mod references;
mod schemas;
mod scripts;
mod secrets;
mod step_semantics;
mod terminal;
