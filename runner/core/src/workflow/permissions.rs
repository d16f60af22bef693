//! `permissions:` of a workflow or job.

use super::model::Permissions;
use super::reader::{Fields, Reader, shorten};
use crate::diagnostic::Code;
use crate::permissions::{ANY_LEVEL, Level, SCOPES};
use crate::span::Spanned;
use indexmap::IndexMap;

/// Reads `permissions`.
pub(crate) fn read(reader: &mut Reader<'_>, fields: Fields<'_>) -> Option<Spanned<Permissions>> {
    let node = fields.get("permissions")?;
    if node.is_scalar() {
        return match node.text.as_str() {
            "read-all" => Some(Spanned::new(Permissions::ReadAll, node.span)),
            "write-all" => Some(Spanned::new(Permissions::WriteAll, node.span)),
            _ => {
                reader.wrong_type(node, "'read-all', 'write-all' or a mapping of scopes");
                None
            }
        };
    }
    let names: Vec<&str> = SCOPES.iter().map(|scope| scope.0).collect();
    let known = reader.fields(node, &names)?;
    let mut scopes = IndexMap::new();
    for entry in &known.node.entries {
        let scope = SCOPES.iter().find(|(name, _)| *name == entry.key);
        let levels = scope.map_or(ANY_LEVEL, |(_, levels)| levels);
        match Level::parse(&entry.value.text)
            .filter(|_| levels.contains(&entry.value.text.as_str()))
        {
            Some(level) => drop(scopes.insert(entry.key.clone(), level)),
            None => {
                let message = format!("Unexpected value '{}'", shorten(&entry.value.text));
                let help = format!("expected one of: {}", levels.join(", "));
                reader.error_with_help(Code::InvalidValue, entry.value.span, message, help);
            }
        }
    }
    Some(Spanned::new(Permissions::Scopes(scopes), node.span))
}
