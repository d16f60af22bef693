//! Which names an expression may use: functions with their counts of arguments, and contexts.

/// A function of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// `case(predicate, value, ..., default)`.
    Case,
    /// `contains(text or list, item)`.
    Contains,
    /// `endsWith(text, end)`.
    EndsWith,
    /// `format(text, value, ...)`.
    Format,
    /// `fromJSON(text)`.
    FromJson,
    /// `join(list, separator)`.
    Join,
    /// `startsWith(text, start)`.
    StartsWith,
    /// `toJSON(value)`.
    ToJson,
    /// `hashFiles(pattern, ...)`: only where a workspace is.
    HashFiles,
    /// `always()`: only in conditions, as the next three.
    Always,
    /// `cancelled()`.
    Cancelled,
    /// `failure(job, ...)`.
    Failure,
    /// `success(job, ...)`.
    Success,
}

/// The most arguments that any function takes.
const MANY: usize = 255;

/// Function, name, fewest and most arguments.
const TABLE: [(Function, &str, usize, usize); 13] = [
    (Function::Case, "case", 3, MANY),
    (Function::Contains, "contains", 2, 2),
    (Function::EndsWith, "endsWith", 2, 2),
    (Function::Format, "format", 1, MANY),
    (Function::FromJson, "fromJSON", 1, 1),
    (Function::Join, "join", 1, 2),
    (Function::StartsWith, "startsWith", 2, 2),
    (Function::ToJson, "toJSON", 1, 1),
    (Function::HashFiles, "hashFiles", 1, MANY),
    (Function::Always, "always", 0, 0),
    (Function::Cancelled, "cancelled", 0, 0),
    (Function::Failure, "failure", 0, MANY),
    (Function::Success, "success", 0, MANY),
];

impl Function {
    /// The function of that name, without regard to case.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1.eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, usize, usize) {
        TABLE.iter().find(|row| row.0 == self).expect("the table has every function")
    }

    /// Its name as GitHub's documentation writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Whether it looks at how the job stands: `success`, `failure`, `cancelled`, `always`.
    #[must_use]
    pub fn is_status(self) -> bool {
        matches!(self, Self::Always | Self::Cancelled | Self::Failure | Self::Success)
    }

    /// Whether it exists only where [`Names`] say so.
    fn is_special(self) -> bool {
        self.is_status() || self == Self::HashFiles
    }

    /// Fewest and most arguments where nothing narrower is said.
    fn arity(self) -> (usize, usize) {
        let row = self.row();
        (row.2, row.3)
    }
}

/// The contexts and special functions that may be used at one place of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// `None`: any.
    contexts: Option<Vec<String>>,
    /// `None`: every special function.
    special: Option<Vec<(Function, usize, usize)>>,
}

impl Names {
    /// Any context, every function.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Only what is listed, in the form of GitHub's published workflow schema: contexts by name and
    /// special functions with their counts of arguments, such as
    /// `["github", "needs", "always(0,0)", "success(0,MAX)", "hashFiles(1,255)"]`. The other functions
    /// exist everywhere. An entry in parentheses that names no special function is ignored.
    pub fn listed<'a>(entries: impl IntoIterator<Item = &'a str>) -> Self {
        let mut contexts = Vec::new();
        let mut special = Vec::new();
        for entry in entries {
            match entry.split_once('(') {
                None => contexts.push(entry.to_owned()),
                Some((name, counts)) => special.extend(listed_function(name, counts)),
            }
        }
        Self { contexts: Some(contexts), special: Some(special) }
    }

    /// Only these contexts, every function.
    pub fn with_contexts<'a>(contexts: impl IntoIterator<Item = &'a str>) -> Self {
        let contexts = contexts.into_iter().map(str::to_owned).collect();
        Self { contexts: Some(contexts), special: None }
    }

    /// Whether a context of that name may be used.
    #[must_use]
    pub fn has_context(&self, name: &str) -> bool {
        let same = |known: &String| known.eq_ignore_ascii_case(name);
        self.contexts.as_ref().is_none_or(|known| known.iter().any(same))
    }

    /// The function of that name with its fewest and most arguments, if it may be used.
    pub(super) fn function(&self, name: &str) -> Option<(Function, usize, usize)> {
        let function = Function::find(name)?;
        match &self.special {
            Some(special) if function.is_special() => {
                special.iter().find(|entry| entry.0 == function).copied()
            }
            _ => {
                let (fewest, most) = function.arity();
                Some((function, fewest, most))
            }
        }
    }
}

/// `1,255)` and its kind; `MAX` is the most there is.
fn listed_function(name: &str, counts: &str) -> Option<(Function, usize, usize)> {
    let function = Function::find(name.trim()).filter(|function| function.is_special())?;
    let (fewest, most) = counts.trim_end_matches(')').split_once(',')?;
    let fewest = fewest.trim().parse().ok()?;
    let most = if most.trim() == "MAX" { MANY } else { most.trim().parse().ok()? };
    Some((function, fewest, most))
}
