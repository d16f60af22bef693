//! The real program against the contracts of `docs/events.md` and `docs/exit-codes.md`.

mod actions;
mod background;
mod cancellation;
mod check_formats;
mod checking;
mod checkout;
mod commands;
mod configuration;
mod containers;
mod corpus;
mod evaluating;
mod events;
mod example;
mod exit_codes;
mod inputs;
mod limits;
mod masks;
mod planning;
mod recovery;
mod references;
mod sandbox;
mod schemas;
mod scripts;
mod secrets;
mod services;
mod terminal;
