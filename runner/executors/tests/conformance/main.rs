//! The contract of `pawl_core::ports::Executor`, held against every implementation.
//!
//! `contract` holds for all, `process` for those that run real processes, `containers` for Docker alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod containers;
mod contract;
mod process;
mod subject;

/// Makes a test of each case for each kind of executor.
macro_rules! cases {
    ($($kind:ident => $module:ident),+ ; $cases:tt) => {
        $($crate::cases!(@one $kind, $module, $cases);)+
    };
    (@one $kind:ident, $module:ident, [$($case:ident),+ $(,)?]) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case($crate::subject::Subject::open($crate::subject::Kind::$kind).await).await;
                }
            )+
        }
    };
}
pub(crate) use cases;
