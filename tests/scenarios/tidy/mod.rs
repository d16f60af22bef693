//! The repository's own rules, held over what is written in it.

mod dependencies;
mod layers;
mod licences;
mod links;
mod modules;
mod top_level;
mod wording;
