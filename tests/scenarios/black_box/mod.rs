//! The real program against the contracts of `docs/events.md` and `docs/exit-codes.md`.

mod action_sources;
mod actions;
mod background;
mod cancellation;
mod checking;
mod commands;
mod configuration;
mod evaluating;
mod events;
mod example;
mod exit_codes;
mod foreign_actions;
mod inputs;
mod limits;
mod planning;
mod recovery;
mod references;
mod schemas;
mod scripts;
mod secrets;
mod terminal;
