//! Amounts as people and Docker write them: memory, processors, durations.

/// Memory in bytes: a number, perhaps with a fraction, and `b`, `k`, `m`, `g` or `t`, with or without `b` or `ib` after it. Always
/// powers of 1024, as Docker counts.
pub fn memory_bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let power = match unit.trim_start() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * 1024_f64.powi(power);
    // Above this a f64 no longer counts single bytes, and no machine has as much.
    (bytes.is_finite() && (0.0..=9e15).contains(&bytes)).then_some(bytes as u64)
}

/// Processors in thousandths of one, from a decimal number above 0.
pub fn cpu_millis(text: &str) -> Option<u64> {
    let cpus = text.trim().parse::<f64>().ok()?;
    let millis = (cpus * 1_000.0).round();
    (millis.is_finite() && (1.0..=10_000_000.0).contains(&millis)).then_some(millis as u64)
}

/// Nanoseconds of a duration as Go writes it: `1m30s`, `500ms`, `1.5h`. A bare `0` is none.
pub fn duration_nanos(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(0);
    }
    let mut nanos = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number = rest[..end].parse::<f64>().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        nanos += number
            * match &rest[..end] {
                "ns" => 1.0,
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 6e10,
                "h" => 3.6e12,
                _ => return None,
            };
        rest = &rest[end..];
    }
    // A year: no check waits longer.
    (nanos <= 3.2e16).then_some(nanos as u64)
}

#[cfg(test)]
mod tests {
    use super::{cpu_millis, duration_nanos, memory_bytes};

    #[test]
    fn memory_is_counted_in_powers_of_1024() {
        assert_eq!(memory_bytes("512"), Some(512));
        assert_eq!(memory_bytes("64m"), Some(64 << 20));
        assert_eq!(memory_bytes("1.5G"), Some(3 << 29));
        assert_eq!(memory_bytes("2 GiB"), Some(2 << 30));
        for wrong in ["", "m", "-1m", "1x", "1mm", "1e9", "99999999t"] {
            assert_eq!(memory_bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn processors_may_be_fractions() {
        assert_eq!(cpu_millis("1.5"), Some(1_500));
        assert_eq!(cpu_millis("0.001"), Some(1));
        for wrong in ["0", "-1", "inf", "NaN", "many"] {
            assert_eq!(cpu_millis(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_gos() {
        assert_eq!(duration_nanos("10s"), Some(10_000_000_000));
        assert_eq!(duration_nanos("1m30s"), Some(90_000_000_000));
        assert_eq!(duration_nanos("1.5ms"), Some(1_500_000));
        assert_eq!(duration_nanos("0"), Some(0));
        for wrong in ["", "10", "s", "10 s", "1d", "-1s"] {
            assert_eq!(duration_nanos(wrong), None, "{wrong}");
        }
    }
}
