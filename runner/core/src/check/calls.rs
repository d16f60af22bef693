//! Jobs that call a workflow of the same repository: what they hand over is held to what the called file declares.

use crate::diagnostic::{Code, Diagnostic, Reporter};
use crate::permissions::{Grant, Level};
use crate::workflow::permissions;
use crate::workflow::reader::{Fields, Reader, shorten};
use crate::yaml::{self, Entry, Kind, Node};

/// Deepest chain of calls: GitHub's limit.
const MAX_CALLS: usize = 10;

/// Longest message: where GitHub cuts a list of permissions.
const MAX_MESSAGE: usize = 500;

/// What the `permissions` of a workflow or a job say; `None` when there are none, and then the caller's hold.
fn grant(node: &Node) -> Option<Grant> {
    let mut silent = Reader::new("", "");
    permissions::read(&mut silent, Fields { node }).map(|written| Grant::of(&written.value))
}

/// What is wrong with the calls of a file. `read` gives the text of a file by its path from the repository's top.
pub fn check_calls(
    file: &str,
    text: &str,
    read: &dyn Fn(&str) -> Option<String>,
) -> Vec<Diagnostic> {
    let mut reader = Reader::new(file, text);
    if let Some(root) = yaml::read(text, &mut Reporter::new(file)) {
        for entry in jobs(&root) {
            if let Some(call) = Call::of(&root, entry) {
                call.check(&mut reader, read);
            }
        }
    }
    reader.finish()
}

fn jobs(root: &Node) -> &[Entry] {
    root.get("jobs").map(|node| node.entries.as_slice()).unwrap_or_default()
}

/// A job that calls a workflow of its own repository.
struct Call<'n> {
    job: &'n Entry,
    uses: &'n Node,
    path: &'n str,
    allowed: Option<Grant>,
}

impl<'n> Call<'n> {
    fn of(root: &Node, job: &'n Entry) -> Option<Self> {
        let uses = job.value.get("uses")?;
        let path = uses.text.strip_prefix("./").or_else(|| uses.text.strip_prefix("$/"))?;
        let allowed = grant(&job.value).or_else(|| grant(root));
        Some(Self { job, uses, path, allowed })
    }

    fn check(&self, reader: &mut Reader<'_>, read: &dyn Fn(&str) -> Option<String>) {
        let Some(text) = read(self.path) else {
            let message =
                format!("Unable to find reusable workflow '{}'", shorten(&self.uses.text));
            let help = "the path begins at the top of the repository";
            reader.error_with_help(Code::UnresolvedCall, self.uses.span, message, help);
            return;
        };
        let Some(called) = yaml::read(&text, &mut Reporter::new(self.path)) else { return };
        let Some(declared) = declaration(&called) else {
            let message = "workflow_call key is not defined in the referenced workflow.";
            reader.error(Code::InvalidUses, self.uses.span, message);
            return;
        };
        self.inputs(reader, declared);
        self.secrets(reader, declared);
        if let Some(allowed) = &self.allowed {
            self.permissions(reader, self, &called, allowed, read, 1);
        }
    }

    fn inputs(&self, reader: &mut Reader<'_>, declared: Option<&Node>) {
        let known = declared.and_then(|node| node.get("inputs"));
        let given = self.job.value.get("with");
        for input in entries(known).iter().filter(|input| is_required(input)) {
            if find(given, &input.key).is_none() {
                let message =
                    format!("Input {} is required, but not provided while calling.", input.key);
                reader.error(Code::MissingInput, self.uses.span, message);
            }
        }
        for argument in entries(given) {
            let Some(input) = find(known, &argument.key) else {
                let message = format!(
                    "Invalid input, {} is not defined in the referenced workflow.",
                    argument.key
                );
                reader.error(Code::UnknownInput, argument.value.span, message);
                continue;
            };
            let kind = input.value.get("type").map(|kind| kind.text.as_str());
            if !fits(&argument.value, kind.unwrap_or("string")) {
                let message = format!("Unexpected value '{}'", shorten(&argument.value.text));
                let help = format!("the input is a {}", kind.unwrap_or("string"));
                reader.error_with_help(Code::InvalidInput, argument.value.span, message, help);
            }
        }
    }

    fn secrets(&self, reader: &mut Reader<'_>, declared: Option<&Node>) {
        let given = self.job.value.get("secrets");
        // `inherit`, or a fault of its own.
        if given.is_some_and(Node::is_scalar) {
            return;
        }
        let known = declared.and_then(|node| node.get("secrets"));
        for secret in entries(known).iter().filter(|secret| is_required(secret)) {
            if find(given, &secret.key).is_none() {
                let message =
                    format!("Secret {} is required, but not provided while calling.", secret.key);
                reader.error(Code::MissingInput, self.uses.span, message);
            }
        }
        for secret in entries(given).iter().filter(|secret| find(known, &secret.key).is_none()) {
            let message = format!(
                "Invalid secret, {} is not defined in the referenced workflow.",
                secret.key
            );
            reader.error(Code::UnknownInput, secret.value.span, message);
        }
    }

    /// A called workflow may not ask for more than its caller grants, on any level. `called` is the file that `call` names.
    fn permissions(
        &self,
        reader: &mut Reader<'_>,
        call: &Call<'_>,
        called: &Node,
        allowed: &Grant,
        read: &dyn Fn(&str) -> Option<String>,
        depth: usize,
    ) {
        let whole = grant(called);
        let excess = whole.as_ref().map(|whole| whole.beyond(allowed)).unwrap_or_default();
        if !excess.is_empty() {
            let who = format!("The workflow '{}'", call.uses.text);
            self.too_much(reader, call, &who, &excess);
            return;
        }
        for job in jobs(called) {
            let own = grant(&job.value);
            let excess = own.as_ref().map(|own| own.beyond(allowed)).unwrap_or_default();
            if !excess.is_empty() {
                let name = job.value.get("name").map_or(&job.key, |name| &name.text);
                self.too_much(reader, call, &format!("The nested job '{name}'"), &excess);
                continue;
            }
            let Some(nested) = Call::of(called, job).filter(|_| depth < MAX_CALLS) else {
                continue;
            };
            let inner = own.or_else(|| whole.clone()).unwrap_or_else(|| allowed.clone());
            let text = read(nested.path);
            if let Some(root) =
                text.and_then(|text| yaml::read(&text, &mut Reporter::new(nested.path)))
            {
                self.permissions(reader, &nested, &root, &inner, read, depth + 1);
            }
        }
    }

    /// Told at the job of this file from which the chain of calls begins.
    fn too_much(
        &self,
        reader: &mut Reader<'_>,
        call: &Call<'_>,
        who: &str,
        excess: &[(String, Level, Level)],
    ) {
        let list = |level: fn(&(String, Level, Level)) -> Level| {
            let each = excess.iter().map(|one| format!("{}: {}", one.0, level(one).as_str()));
            each.collect::<Vec<String>>().join(", ")
        };
        let (wanted, granted) = (list(|one| one.1), list(|one| one.2));
        let mut message = format!(
            "Error calling workflow '{}'. {who} is requesting '{wanted}', but is only allowed '{granted}'.",
            call.uses.text
        );
        if message.chars().count() > MAX_MESSAGE {
            message = message.chars().take(MAX_MESSAGE - 5).chain("[...]".chars()).collect();
        }
        reader.error(Code::ExcessPermission, self.job.key_span, message);
    }
}

/// `on.workflow_call` of a file: `None` when it cannot be called, `Some(None)` when it declares nothing.
fn declaration(root: &Node) -> Option<Option<&Node>> {
    let on = root.get("on")?;
    let is_named =
        on.text == "workflow_call" || on.items.iter().any(|item| item.text == "workflow_call");
    match on.get("workflow_call") {
        Some(node) => Some(Some(node)),
        None if is_named => Some(None),
        None => None,
    }
}

fn entries(node: Option<&Node>) -> &[Entry] {
    node.map(|node| node.entries.as_slice()).unwrap_or_default()
}

fn find<'n>(node: Option<&'n Node>, key: &str) -> Option<&'n Entry> {
    entries(node).iter().find(|entry| entry.key.eq_ignore_ascii_case(key))
}

fn is_required(entry: &Entry) -> bool {
    entry.value.get("required").is_some_and(|node| node.text == "true")
}

/// Whether a value that is written out is of a type; an expression is judged at run time.
fn fits(node: &Node, kind: &str) -> bool {
    let is_expression = node.kind == Kind::Str && node.text.contains("${{");
    match kind {
        _ if is_expression => true,
        "boolean" => node.kind == Kind::Bool,
        "number" => matches!(node.kind, Kind::Int | Kind::Float),
        _ => node.is_scalar(),
    }
}

#[cfg(test)]
mod tests {
    use super::check_calls;

    const CALLED: &str = "on:\n  workflow_call:\n    inputs:\n      name: {type: string, required: true}\n      count: {type: number}\n      dry: {type: boolean}\n    secrets:\n      key: {required: true}\n      other:\npermissions: {contents: read}\njobs:\n  one: {runs-on: x, steps: [{run: echo}]}\n";
    const NESTED: &str = "on: workflow_call\njobs:\n  deep:\n    permissions: {contents: read}\n    uses: ./.github/workflows/wants.yml\n";
    const WANTS: &str = "on: [workflow_call]\njobs:\n  greedy: {permissions: {packages: write}, runs-on: x, steps: [{run: echo}]}\n";

    fn found(job: &str) -> Vec<String> {
        let text = format!("on: push\njobs:\n  a:\n{job}");
        let read = |path: &str| match path {
            ".github/workflows/called.yml" => Some(CALLED.to_owned()),
            ".github/workflows/nested.yml" => Some(NESTED.to_owned()),
            ".github/workflows/wants.yml" => Some(WANTS.to_owned()),
            ".github/workflows/plain.yml" => Some("on: push\njobs: {}\n".to_owned()),
            _ => None,
        };
        let found = check_calls("w.yml", &text, &read);
        found.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.message)).collect()
    }

    #[test]
    fn a_call_that_fits_is_sound() {
        let with = "    with: {NAME: x, count: '${{ 1 }}', dry: true}\n";
        let call = format!("    uses: ./.github/workflows/called.yml\n{with}");
        assert_eq!(found(&format!("{call}    secrets: {{key: x, other: y}}\n")), [""; 0]);
        assert_eq!(
            found(&format!("{call}    secrets: inherit\n    permissions: read-all\n")),
            [""; 0]
        );
        assert_eq!(found("    uses: acme/w/.github/workflows/called.yml@v1\n"), [""; 0]);
    }

    #[test]
    fn every_fault_is_at_its_value() {
        assert_eq!(
            found(
                "    uses: $/.github/workflows/called.yml\n    with:\n      count: many\n      dry: 'no'\n      extra: 1\n    secrets:\n      key: x\n      more: y\n"
            ),
            [
                "4:11 Input name is required, but not provided while calling.",
                "6:14 Unexpected value 'many'",
                "7:12 Unexpected value 'no'",
                "8:14 Invalid input, extra is not defined in the referenced workflow.",
                "11:13 Invalid secret, more is not defined in the referenced workflow.",
            ]
        );
        assert_eq!(
            found("    uses: ./.github/workflows/plain.yml\n"),
            ["4:11 workflow_call key is not defined in the referenced workflow."]
        );
        assert_eq!(
            found("    uses: ./.github/workflows/none.yml\n"),
            ["4:11 Unable to find reusable workflow './.github/workflows/none.yml'"]
        );
    }

    #[test]
    fn nobody_below_gets_more_than_the_caller_grants() {
        assert_eq!(
            found(
                "    permissions: {issues: write}\n    uses: ./.github/workflows/called.yml\n    with: {name: x}\n    secrets: inherit\n"
            ),
            [
                "3:3 Error calling workflow './.github/workflows/called.yml'. The workflow './.github/workflows/called.yml' is requesting 'contents: read', but is only allowed 'contents: none'."
            ]
        );
        assert_eq!(
            found(
                "    permissions: {contents: read, packages: write}\n    uses: ./.github/workflows/nested.yml\n"
            ),
            [
                "3:3 Error calling workflow './.github/workflows/wants.yml'. The nested job 'greedy' is requesting 'packages: write', but is only allowed 'packages: none'."
            ]
        );
        assert_eq!(
            found("    permissions: write-all\n    uses: ./.github/workflows/wants.yml\n"),
            [""; 0]
        );
    }
}
