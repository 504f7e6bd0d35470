//! What is told to a caller whose request cannot be done: a code, the fields, and parameters.
//! Must not hold sentences; a face renders them from the code table and the field codes.

use std::collections::BTreeMap;
use std::fmt;

use super::{Code, code::CodeRow};

/// Why a request was refused. Faces turn it into RFC 9457 JSON or into terminal text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    pub fields: Vec<FieldProblem>,
    /// Facts for the reader, such as the limit that was passed; never a secret.
    pub params: BTreeMap<&'static str, String>,
}

/// One field that cannot be accepted: where it is, what is wrong, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// A path such as `parts[0].text`; empty for the whole body.
    pub field: String,
    pub wrong: Wrong,
}

/// What can be wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    Missing,
    Unknown,
    BadType {
        expected: String,
    },
    BadFormat {
        expected: String,
    },
    TooLong {
        max: usize,
        actual: usize,
        unit: &'static str,
    },
    /// More than one network takes; the others of the same post may take it.
    OverLimit {
        network: String,
        max: usize,
        actual: usize,
        unit: &'static str,
    },
    /// A file of a kind that one network does not take.
    NotTaken {
        network: String,
        what: &'static str,
        takes: String,
    },
    /// A file that is not kept, for a reason with a word of its own.
    BadFile {
        word: &'static str,
        why: String,
    },
    /// Nothing where something is needed.
    Empty,
    OutOfRange {
        min: i64,
        max: i64,
    },
    NotOneOf {
        allowed: String,
    },
    NotFound,
    Twice,
    Excludes {
        other: &'static str,
    },
    NotPossible {
        why: &'static str,
    },
}

impl Wrong {
    /// The stable word of this kind of mistake.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown_field",
            Self::BadType { .. } => "wrong_type",
            Self::BadFormat { .. } => "bad_format",
            Self::TooLong { .. } => "too_long",
            Self::OverLimit { .. } => "over_limit",
            Self::NotTaken { .. } => "not_taken",
            Self::BadFile { word, .. } => word,
            Self::Empty => "empty",
            Self::OutOfRange { .. } => "out_of_range",
            Self::NotOneOf { .. } => "not_one_of",
            Self::NotFound => "not_found",
            Self::Twice => "twice",
            Self::Excludes { .. } => "excludes",
            Self::NotPossible { .. } => "not_possible",
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is required"),
            Self::Unknown => f.write_str("is not a known field"),
            Self::BadType { expected } => write!(f, "has the wrong type: {expected}"),
            Self::BadFormat { expected } => write!(f, "must be {expected}"),
            Self::TooLong { max, actual, unit } => {
                write!(f, "has {actual} {unit}; at most {max} are allowed")
            }
            Self::OverLimit { network, max, actual, unit } => {
                write!(f, "has {actual} {unit}; {network} takes at most {max}")
            }
            Self::NotTaken { network, what, takes } => {
                write!(f, "is {what}; {network} takes {takes}")
            }
            Self::BadFile { why, .. } => f.write_str(why),
            Self::Empty => f.write_str("must not be empty"),
            Self::OutOfRange { min, max } => write!(f, "must be from {min} to {max}"),
            Self::NotOneOf { allowed } => write!(f, "must be one of: {allowed}"),
            Self::NotFound => f.write_str("names something that is not in this workspace"),
            Self::Twice => f.write_str("is given twice"),
            Self::Excludes { other } => write!(f, "cannot be given together with `{other}`"),
            Self::NotPossible { why } => f.write_str(why),
        }
    }
}

impl Problem {
    pub fn new(code: Code) -> Self {
        Self { code, fields: Vec::new(), params: BTreeMap::new() }
    }

    /// A problem with exactly one field.
    pub fn field(field: impl Into<String>, wrong: Wrong) -> Self {
        Self::fields(vec![FieldProblem { field: field.into(), wrong }])
    }

    pub fn fields(fields: Vec<FieldProblem>) -> Self {
        Self { code: Code::InvalidField, fields, params: BTreeMap::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.params.insert(name, value.to_string());
        self
    }

    pub fn row(&self) -> &'static CodeRow {
        self.code.row()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.row().title)?;
        for FieldProblem { field, wrong } in &self.fields {
            write!(f, "; `{field}` {wrong}")?;
        }
        for (name, value) in &self.params {
            write!(f, "; {name}: {value}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// Collects what is wrong with the fields of one request, so that all of it is told at once.
#[derive(Default)]
pub struct Check {
    fields: Vec<FieldProblem>,
}

impl Check {
    pub fn wrong(&mut self, field: impl Into<String>, wrong: Wrong) {
        self.fields.push(FieldProblem { field: field.into(), wrong });
    }

    /// Notes `wrong` unless `ok`.
    pub fn that(&mut self, ok: bool, field: impl Into<String>, wrong: Wrong) {
        if !ok {
            self.wrong(field, wrong);
        }
    }

    pub fn is_clean(&self) -> bool {
        self.fields.is_empty()
    }

    pub fn finish(self) -> Result<(), Problem> {
        if self.fields.is_empty() { Ok(()) } else { Err(Problem::fields(self.fields)) }
    }
}
