//! Faults on demand, so that a rollback can be rehearsed before it is needed.

use std::fmt;
use std::str::FromStr;

/// A fault that the server shows on purpose. Set by `PAWL_REHEARSE` in the container's environment (input `rehearse` of
/// `pawl/build`), and said in the log with every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rehearsal {
    /// `crash-on-start`: the process ends before it listens.
    CrashOnStart,
    /// `wrong-answers`: every probability `p` is answered as `1 - p`.
    WrongAnswers,
    /// `errors-after=N`: after `N` predictions every further one is answered 500.
    ErrorsAfter(u64),
    /// `never-ready`: live, but never ready.
    NeverReady,
}

impl fmt::Display for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CrashOnStart => f.write_str("crash-on-start"),
            Self::WrongAnswers => f.write_str("wrong-answers"),
            Self::ErrorsAfter(count) => write!(f, "errors-after={count}"),
            Self::NeverReady => f.write_str("never-ready"),
        }
    }
}

/// User: `PAWL_REHEARSE` is none of the known words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no rehearsal: use crash-on-start, wrong-answers, errors-after=N or never-ready")]
pub struct UnknownRehearsal(String);

impl FromStr for Rehearsal {
    type Err = UnknownRehearsal;

    fn from_str(text: &str) -> Result<Self, UnknownRehearsal> {
        let unknown = || UnknownRehearsal(text.to_owned());
        match text.split_once('=') {
            None => match text {
                "crash-on-start" => Ok(Self::CrashOnStart),
                "wrong-answers" => Ok(Self::WrongAnswers),
                "never-ready" => Ok(Self::NeverReady),
                _ => Err(unknown()),
            },
            Some(("errors-after", count)) => {
                count.parse().map(Self::ErrorsAfter).map_err(|_| unknown())
            }
            Some(_) => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rehearsal;

    #[test]
    fn the_four_words_are_read_and_no_other() {
        assert_eq!("crash-on-start".parse(), Ok(Rehearsal::CrashOnStart));
        assert_eq!("wrong-answers".parse(), Ok(Rehearsal::WrongAnswers));
        assert_eq!("errors-after=20".parse(), Ok(Rehearsal::ErrorsAfter(20)));
        assert_eq!("never-ready".parse(), Ok(Rehearsal::NeverReady));
        for text in ["crash-on-start", "wrong-answers", "errors-after=20", "never-ready"] {
            assert_eq!(text.parse::<Rehearsal>().unwrap().to_string(), text);
        }
        for wrong in ["", "crash", "errors-after", "errors-after=-1", "never-ready=1"] {
            assert!(wrong.parse::<Rehearsal>().is_err(), "{wrong}");
        }
    }
}
