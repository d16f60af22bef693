use super::{LineRead, LineReader, Manners, Shown, remark};
use pawl_core::event::{Level, Stream};
use pawl_core::matcher::read_file;

fn reader() -> LineReader {
    LineReader::new(10_000)
}

fn read(reader: &mut LineReader, line: &str) -> LineRead {
    reader.read(Stream::Stdout, line)
}

fn shown() -> LineRead {
    LineRead { show: Shown::Line, ..LineRead::default() }
}

fn told(text: &str) -> LineRead {
    LineRead { show: Shown::Instead(text.to_owned()), ..LineRead::default() }
}

#[test]
fn commands_are_obeyed_and_plain_lines_shown() {
    let mut reader = reader();
    assert_eq!(read(&mut reader, "hello"), shown());
    let mask = LineRead { mask: Some("s3cret".to_owned()), ..LineRead::default() };
    assert_eq!(read(&mut reader, "::add-mask::s3cret"), mask);
    assert_eq!(read(&mut reader, "::set-output name=a::1"), LineRead::default());
    assert_eq!(read(&mut reader, "::Save-State name=b::2"), LineRead::default());
    let annotation = Some(remark(Level::Warning, "care\nful".to_owned()));
    assert_eq!(
        read(&mut reader, "::warning::care%0Aful"),
        LineRead { annotation, ..told("##[warning]care%0Aful") }
    );
    assert_eq!(read(&mut reader, "::group::title"), told("##[group]title"));
    assert_eq!(read(&mut reader, "##[endgroup]"), told("##[endgroup]"));
    assert_eq!(read(&mut reader, "::debug::x"), LineRead::default());
    assert_eq!(read(&mut reader, "::whatever::"), shown());
    assert_eq!(reader.printed.outputs["a"], "1");
    assert_eq!(reader.printed.state["b"], "2");
    assert_eq!(reader.refused, None);
}

#[test]
fn debug_lines_are_shown_and_commands_echoed_with_step_debugging() {
    let mut reader = reader().prepared(Manners { debug: true, ..Manners::default() }, &[]);
    assert_eq!(read(&mut reader, "::debug::x"), told("##[debug]x"));
    assert_eq!(read(&mut reader, "::set-output name=a::1"), shown());
}

#[test]
fn echo_shows_commands_but_never_the_mask() {
    let mut reader = reader();
    assert_eq!(read(&mut reader, "::echo::ON"), LineRead::default());
    assert_eq!(read(&mut reader, "::set-output name=a::1"), shown());
    let mask = LineRead { mask: Some("s3cret".to_owned()), ..told("::add-mask::***") };
    assert_eq!(read(&mut reader, "::add-mask::s3cret"), mask);
    assert_eq!(read(&mut reader, "::echo::off"), shown());
    assert_eq!(read(&mut reader, "::set-output name=a::1"), LineRead::default());
    let maybe = read(&mut reader, "::echo::maybe");
    assert!(maybe.annotation.is_some_and(|it| it.message.contains("'on', 'off'")));
    assert!(reader.refused.is_some());
}

#[test]
fn stopped_commands_are_plain_until_the_word_comes() {
    let mut reader = reader();
    assert_eq!(read(&mut reader, "::stop-commands::w0rd"), shown());
    assert_eq!(read(&mut reader, "::set-output name=a::1"), shown());
    assert_eq!(read(&mut reader, "::add-mask::x"), shown());
    assert_eq!(read(&mut reader, "::other::"), shown());
    assert_eq!(read(&mut reader, "::W0RD::"), shown());
    assert_eq!(read(&mut reader, "::set-output name=a::2"), LineRead::default());
    assert_eq!(reader.printed.outputs["a"], "2");
}

#[test]
fn a_word_that_anybody_prints_does_not_stop_commands() {
    for word in ["", "pause-logging", "error", "Set-Output"] {
        let mut reader = reader();
        let read = reader.read(Stream::Stdout, &format!("::stop-commands::{word}"));
        assert!(read.annotation.is_some_and(|it| it.level == Level::Error), "{word}");
        assert!(reader.refused.is_some(), "{word}");
        assert_eq!(reader.read(Stream::Stdout, "::set-output name=a::1"), LineRead::default());
        assert_eq!(reader.printed.outputs["a"], "1", "{word}");
    }
    let manners = Manners { unsecure_tokens: true, ..Manners::default() };
    let mut reader = reader().prepared(manners, &[]);
    assert_eq!(read(&mut reader, "::stop-commands::error"), shown());
    assert_eq!(reader.refused, None);
}

#[test]
fn the_old_dangerous_commands_fail_the_step_unless_it_allows_them() {
    for line in ["::set-env name=PATH::/evil", "::add-path::/evil"] {
        let mut refusing = reader();
        let read = refusing.read(Stream::Stdout, line);
        assert!(read.annotation.is_some_and(|remark| remark.level == Level::Error));
        assert!(refusing.refused.is_some_and(|reason| reason.contains("command is disabled")));
        assert!(refusing.printed.env.is_empty() && refusing.printed.path.is_empty());
        let manners = Manners { unsecure_commands: true, ..Manners::default() };
        let mut allowing = reader().prepared(manners, &[]);
        assert_eq!(allowing.read(Stream::Stdout, line), LineRead::default());
        assert!(!allowing.printed.env.is_empty() || !allowing.printed.path.is_empty());
    }
}

#[test]
fn a_command_without_its_name_fails_the_step() {
    for line in ["::set-output::x", "::save-state name=::x"] {
        let mut reader = reader();
        read(&mut reader, line);
        let reason = reader.refused.expect("it is refused");
        assert!(reason.contains("Required field 'name' is missing"), "{reason}");
    }
}

#[test]
fn ten_remarks_of_a_level_are_kept_and_the_others_stay_in_the_log() {
    let mut reader = reader();
    let kept = (0..25).filter(|_| read(&mut reader, "::error::x").annotation.is_some()).count();
    assert_eq!((kept, reader.unkept_remarks), (10, 15));
    assert!(read(&mut reader, "::notice::x").annotation.is_some(), "each level has its own");
    assert_eq!(read(&mut reader, "::error::x"), told("##[error]x"));
}

#[test]
fn lines_over_the_limit_are_counted_and_their_commands_still_obeyed() {
    let mut reader = LineReader::new(8);
    assert_eq!(read(&mut reader, "1234567"), shown());
    assert_eq!(read(&mut reader, "a"), LineRead::default());
    assert_eq!(read(&mut reader, "::set-output name=a::1"), LineRead::default());
    assert_eq!(reader.dropped_bytes, 2);
    assert_eq!(reader.printed.outputs["a"], "1");
}

#[test]
fn after_a_line_that_did_not_fit_a_shorter_one_is_not_shown_either() {
    let mut reader = LineReader::new(6);
    assert_eq!(read(&mut reader, "1234567"), LineRead::default());
    assert_eq!(read(&mut reader, "a"), LineRead::default());
    assert_eq!(reader.dropped_bytes, 10);
}

const MATCHER: &str = r#"{"problemMatcher": [{"owner": "t", "pattern": [
    {"regexp": "^(\\S+):(\\d+)$", "file": 1, "line": 2}, {"regexp": "^bad (.*)$", "message": 1}]}]}"#;

#[test]
fn problems_are_found_on_each_stream_by_itself() {
    let config = read_file(MATCHER).unwrap();
    let mut reader = reader().prepared(Manners::default(), &config);
    assert_eq!(reader.read(Stream::Stdout, "a.py:3"), shown());
    assert_eq!(reader.read(Stream::Stderr, "bad on the other stream"), shown());
    let found = reader.read(Stream::Stdout, "bad thing");
    assert_eq!(found.show, Shown::Instead("##[error]bad thing".to_owned()));
    let remark = found.annotation.unwrap();
    assert_eq!((remark.line, remark.message.as_str()), (Some(3), "thing"));
    assert!(found.is_matched);
}

#[test]
fn matchers_come_from_files_and_go_by_owner() {
    let mut reader = reader();
    let add = read(&mut reader, "##[add-matcher]m.json");
    assert_eq!(add.matcher_file, Some(("m.json".to_owned(), true)));
    let remove = read(&mut reader, "::remove-matcher::m.json");
    assert_eq!(remove.matcher_file, Some(("m.json".to_owned(), false)));
    read(&mut reader, "::remove-matcher owner=t::");
    assert_eq!(reader.printed.matchers.len(), 1);
    for line in ["::add-matcher::", "::remove-matcher::", "::remove-matcher owner=a::b"] {
        assert!(read(&mut reader, line).annotation.is_some(), "{line}");
    }
    assert_eq!(reader.refused, None);
}
