//! Secrets: nowhere in events or the journal, and still there for the steps that need them.

use crate::rig::{Rig, log_of, remarks_of};
use pawl_core::event::Conclusion;
use pawl_core::ids::StepUid;
use pawl_core::ports::{ActionOutcome, CommandFiles};
use pawl_executors::fake::{FakeCall, FakeStep};

const YAML: &str = "
on: push
jobs:
  a:
    runs-on: linux
    outputs:
      raw: '${{ steps.leak.outputs.key }}'
      token: '${{ steps.leak.outputs.token }}'
      plain: '${{ steps.leak.outputs.plain }}'
      direct: '${{ secrets.KEY }}'
    steps:
      - { id: leak, run: 'echo ${{ secrets.KEY }}' }
      - { run: use, env: { COPY: '${{ steps.leak.outputs.key }}', TOKEN: '${{ steps.leak.outputs.token }}' } }
      - { uses: pawl/report, with: { text: '${{ steps.leak.outputs.key }}' } }
  b:
    needs: a
    runs-on: linux
    env: { RAW: '<${{ needs.a.outputs.raw }}>', PLAIN: '<${{ needs.a.outputs.plain }}>' }
    steps: [{ run: x }]
";

const KEY: &str = "s3cret-k3y/1";
const TOKEN: &str = "t0ken-of-an-hour";

fn leaking(uid: &StepUid) -> FakeStep {
    if uid.job.0 != "a" || uid.step.0 != [0] {
        return FakeStep::prints(&["later", TOKEN]);
    }
    let files = CommandFiles {
        output: format!("key={KEY}\ntoken={TOKEN}\nplain=fine\n"),
        env: format!("FOR_LATER=x{KEY}x\n"),
        summary: format!("# the key is {KEY}\n"),
        report: format!("{{\"nested\": [\"{KEY}\"]}}"),
        ..CommandFiles::default()
    };
    let lines = [
        format!("the key is {KEY}!"),
        "czNjcmV0LWszeS8x".to_owned(),
        "s3cret-k3y%2F1".to_owned(),
        format!("::add-mask::{TOKEN}"),
        format!("the token is {TOKEN}"),
        format!("::error title={KEY}::{TOKEN}"),
        "::add-mask::x".to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    FakeStep { files, ..FakeStep::prints(&lines) }
}

fn env_of(rig: &Rig, job: &str, step: u32) -> Vec<(String, String)> {
    let calls = rig.world.calls();
    let found = calls.iter().find_map(|call| match call {
        FakeCall::Start(request) if request.uid.job.0 == job && request.uid.step.0 == [step] => {
            Some(request.env.clone())
        }
        _ => None,
    });
    found.unwrap()
}

fn value<'a>(env: &'a [(String, String)], name: &str) -> &'a str {
    &env.iter().find(|(known, _)| known == name).unwrap().1
}

#[tokio::test]
async fn no_event_holds_a_secret_and_later_steps_still_get_it() {
    let rig = Rig::new(leaking)
        .with_actions(|call, log| {
            log(format!("I was given {}", call.inputs["text"]));
            Some(ActionOutcome {
                success: call.inputs["text"] == KEY,
                summary: call.inputs["text"].clone(),
                reason: Some(format!("because of {KEY}")),
                ..ActionOutcome::default()
            })
        })
        .with_secret("KEY", KEY);
    let (state, seen) = rig.run(YAML).await;
    let state = state.unwrap();
    assert_eq!(state.conclusion, Some(Conclusion::Success));
    let everything = serde_json::to_string(&seen).unwrap();
    for secret in [KEY, TOKEN, "czNjcmV0LWszeS8x"] {
        assert!(!everything.contains(secret), "{secret}");
    }
    assert_eq!(
        log_of(&seen),
        [
            "the key is ***!",
            "***",
            "***",
            "the token is ***",
            "##[error]***",
            "later",
            "***",
            "I was given ***",
            "later",
            "***",
        ]
    );

    let env = env_of(&rig, "a", 1);
    assert_eq!(value(&env, "COPY"), KEY);
    assert_eq!(value(&env, "TOKEN"), TOKEN);
    assert_eq!(value(&env, "FOR_LATER"), format!("x{KEY}x"));

    let job = state.jobs.values().next().unwrap();
    assert_eq!(job.outputs, [("plain".to_owned(), "fine".to_owned())].into());
    let env = env_of(&rig, "b", 0);
    assert_eq!((value(&env, "RAW"), value(&env, "PLAIN")), ("<>", "<fine>"));
    let remarks = remarks_of(&seen);
    assert!(remarks.contains(&"output raw of job a was dropped, because it holds a secret"));
    assert!(remarks.iter().any(|text| text.starts_with("add-mask: a value of fewer than 4")));
}

#[tokio::test]
async fn a_short_secret_is_not_masked_and_that_is_said() {
    let rig = Rig::new(|_| FakeStep::prints(&["a-b"])).with_secret("DASH", "-");
    let (_, seen) = rig.run("{on: push, jobs: {a: {runs-on: linux, steps: [{run: x}]}}}").await;
    assert_eq!(log_of(&seen), ["a-b"]);
    assert!(remarks_of(&seen)[0].starts_with("secret DASH: a value of fewer than 4"));
}

#[tokio::test]
async fn an_output_cannot_be_made_to_look_like_a_secret() {
    let rig = Rig::new(|uid| FakeStep {
        files: CommandFiles {
            output: if uid.step.0 == [0] {
                "v=***[KEY]***[0:KEY]\n".to_owned()
            } else {
                String::new()
            },
            ..CommandFiles::default()
        },
        ..FakeStep::default()
    })
    .with_secret("KEY", KEY);
    let yaml = "
on: push
jobs:
  a:
    runs-on: linux
    steps:
      - { id: one, run: x }
      - { run: y, env: { V: '${{ steps.one.outputs.v }}' } }
";
    rig.run(yaml).await.0.unwrap();
    assert_eq!(value(&env_of(&rig, "a", 1), "V"), "***[KEY]***[0:KEY]");
}

#[tokio::test]
async fn disabled_commands_fail_the_step() {
    let rig = Rig::new(|_| FakeStep::prints(&["::set-env name=LD_PRELOAD::/evil"]));
    let state =
        rig.run("{on: push, jobs: {a: {runs-on: linux, steps: [{run: x}]}}}").await.0.unwrap();
    assert_eq!(state.conclusion, Some(Conclusion::Failure));
}
