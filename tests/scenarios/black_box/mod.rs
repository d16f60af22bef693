//! The real program against the contracts of `docs/events.md` and `docs/exit-codes.md`.

mod actions;
mod background;
mod calls;
mod cancellation;
mod checking;
mod commands;
mod concurrency;
mod configuration;
mod environments;
mod evaluating;
mod events;
mod example;
mod exit_codes;
mod inputs;
mod limits;
mod planning;
mod recovery;
mod references;
mod schemas;
mod scripts;
mod secrets;
mod terminal;
mod triggering;
