//! Cron lines as GitHub takes them: five fields, lists, ranges and steps, names of months and days.

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Name, smallest and largest value, and names of values with the number of the first.
type Field = (&'static str, u32, u32, &'static [&'static str], u32);

const FIELDS: [Field; 5] = [
    ("minute", 0, 59, &[], 0),
    ("hour", 0, 23, &[], 0),
    ("day of the month", 1, 31, &[], 0),
    ("month", 1, 12, &MONTHS, 1),
    ("day of the week", 0, 6, &DAYS, 0),
];

/// What is wrong with a cron line, or nothing.
pub(crate) fn fault(line: &str) -> Option<String> {
    let parts: Vec<&str> = line.split_whitespace().collect();
    if parts.len() != FIELDS.len() {
        return Some(format!(
            "a cron line has five fields (minute, hour, day, month, day of the week), this one has {}",
            parts.len()
        ));
    }
    parts
        .iter()
        .zip(&FIELDS)
        .find_map(|(part, field)| part.split(',').find_map(|item| item_fault(item, field)))
}

fn item_fault(item: &str, field: &Field) -> Option<String> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    if let Some(step) = step {
        let sound = step.parse::<u32>().is_ok_and(|step| step > 0 && step <= field.2.max(1));
        if !sound {
            return Some(format!("'{step}' is no step for the {}", field.0));
        }
    }
    if range == "*" {
        return None;
    }
    let (first, last) = match range.split_once('-') {
        Some((first, last)) => (value(first, field), value(last, field)),
        None => (value(range, field), value(range, field)),
    };
    match (first, last) {
        (Some(first), Some(last)) if first <= last => None,
        (Some(_), Some(_)) => Some(format!("'{range}' runs backwards")),
        _ => Some(format!("'{range}' is no {}: expected {} to {}", field.0, field.1, field.2)),
    }
}

fn value(text: &str, field: &Field) -> Option<u32> {
    let named = field.3.iter().position(|name| name.eq_ignore_ascii_case(text));
    if let Some(index) = named {
        return u32::try_from(index).ok().map(|index| index + field.4);
    }
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let number = digits.then(|| text.parse::<u32>().ok()).flatten()?;
    (field.1..=field.2).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn sound_lines_pass_and_faults_name_their_field() {
        for line in ["0 0 * * *", "*/15 9-17 1,15 JAN-MAR mon-FRI", "5 4 * * 0"] {
            assert_eq!(fault(line), None, "{line}");
        }
        for (line, part) in [
            ("0 0 * *", "five fields"),
            ("60 0 * * *", "'60' is no minute"),
            ("* 24 * * *", "'24' is no hour"),
            ("* * 0 * *", "day of the month"),
            ("* * * 13 *", "month"),
            ("* * * * 7", "day of the week"),
            ("*/0 * * * *", "no step"),
            ("5-1 * * * *", "backwards"),
            ("@daily", "five fields"),
        ] {
            let found = fault(line).unwrap_or_default();
            assert!(found.contains(part), "{line}: {found}");
        }
    }
}
