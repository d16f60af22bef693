//! The expression language of workflows, as GitHub Actions runs it: `${{ github.ref == 'refs/heads/main' }}`.
//!
//! ```text
//! text -> lexer -> parser -> Node tree (with byte spans) -> eval over Contexts -> Value
//! ```
//!
//! Three things can be written in a workflow and each has its own type: a bare expression ([`Expr`]),
//! a text with `${{ }}` parts ([`Template`]) and an `if:` ([`Condition`]). All three are stored as
//! their source text. Where GitHub's C# runner and its TypeScript language service disagree, the
//! runner is followed, since it is what executes workflows.
//!
//! Everything here is pure: files (for `hashFiles`) and the state of the job come in through [`Contexts`].

mod ast;
mod call;
mod condition;
mod error;
mod eval;
mod fold;
mod function;
mod json;
mod lexer;
mod number;
mod parser;
mod print;
mod template;
mod value;

#[cfg(test)]
mod tests;

pub use ast::{CompareOp, Expr, Literal, Node, NodeKind, Reference, Span, parse, parse_with};
pub use condition::Condition;
pub use error::{ErrorKind, ExprError, TemplateError};
pub use eval::{Contexts, HashFiles, Status};
pub use function::{Function, Names};
pub use template::{Part, Template};
pub use value::{Array, Kind, Object, Value};

/// Longest accepted expression, in UTF-16 units, as GitHub counts.
pub const MAX_LENGTH: usize = 21_000;

/// Deepest accepted expression: nested nodes, and nested brackets, counting the outermost.
pub const MAX_DEPTH: usize = 50;

/// What all results made while evaluating one expression may take together: GitHub's 10 MiB.
pub const MAX_RESULT_BYTES: usize = 10 * 1024 * 1024;
