//! Values as people read them.

use console::measure_text_width;
use serde_json::Value;

use crate::domain::time::Timestamp;

/// Makes a text harmless on a terminal and keeps it on its line: control characters are shown, not obeyed.
pub(super) fn plain(text: &str) -> String {
    let hides = |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if hides(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Fills a text up to a width; numbers stand at the right.
pub(super) fn pad(text: &str, width: usize, right: bool) -> String {
    let space = " ".repeat(width.saturating_sub(measure_text_width(text)));
    if right { format!("{space}{text}") } else { format!("{text}{space}") }
}

/// Columns that a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    measure_text_width(text)
}

/// Writes a metric with four significant digits.
pub(super) fn metric(value: &Value) -> String {
    let Some(number) = value.as_f64() else { return scalar(value) };
    if number == 0.0 || (number.fract() == 0.0 && number.abs() < 1e15) {
        return format!("{number}");
    }
    let size = number.abs().log10().floor();
    if !(-4.0..15.0).contains(&size) {
        return format!("{number:.3e}");
    }
    // four digits in all, but all that stand before the point
    let decimals = (3.0 - size).max(0.0) as usize;
    format!("{number:.decimals$}")
}

/// Writes a number of bytes.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Writes how long ago a time is, or in how long it comes.
pub(super) fn relative(time: Timestamp, now: Timestamp) -> String {
    let seconds = (now.0 - time.0) / 1000;
    let (count, unit) = match seconds.unsigned_abs() {
        s @ 0..60 => (s, "s"),
        s @ 60..3_600 => (s / 60, "min"),
        s @ 3_600..86_400 => (s / 3_600, "h"),
        s => (s / 86_400, "d"),
    };
    if seconds < 0 { format!("in {count} {unit}") } else { format!("{count} {unit} ago") }
}

/// Writes a value that is no list and no object without quotes, anything else as JSON.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    }
}

/// Makes a text fit for Markdown, where `<` would begin a tag; what stands between backticks is left alone.
pub(super) fn markdown(text: &str) -> String {
    let part = |(at, part): (usize, &str)| if at % 2 == 0 { part.replace('<', "\\<") } else { part.to_owned() };
    text.split('`').enumerate().map(part).collect::<Vec<_>>().join("`")
}

/// Reads a time: RFC 3339, `now`, or how long ago, for instance `90s`, `15m`, `2h`, `7d`.
pub(super) fn time(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if text == "now" {
        return Ok(now);
    }
    if let Some(time) = Timestamp::parse(text) {
        return Ok(time);
    }
    let units = [("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let ago = units.iter().find_map(|(unit, ms)| text.strip_suffix(unit)?.parse::<u32>().ok().map(|count| i64::from(count) * ms));
    ago.map(|ms| now.plus_ms(-ms))
        .ok_or_else(|| format!("{text:?} is no time: write 2026-01-31T12:00:00Z, now, or how long ago, such as 90s, 15m, 2h, 7d"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metrics_have_four_digits_and_say_nan() {
        let shown = |value| metric(&value);
        assert_eq!(shown(json!(0.973684210526)), "0.9737");
        assert_eq!(shown(json!(123.456)), "123.5");
        assert_eq!(shown(json!(123456.789)), "123457");
        assert_eq!(shown(json!(0.00012345)), "0.0001234");
        assert_eq!(shown(json!(0.0000012345)), "1.234e-6");
        assert_eq!(shown(json!(-2.5e20)), "-2.500e20");
        assert_eq!(shown(json!(10.0)), "10");
        assert_eq!(shown(json!(0)), "0");
        assert_eq!(shown(json!("NaN")), "NaN");
        assert_eq!(shown(json!(null)), "");
    }

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!([size(0), size(1023), size(1024), size(124_869), size(3 << 40)], ["0 B", "1023 B", "1.0 KiB", "121.9 KiB", "3.0 TiB"]);
        let now = Timestamp(1_000_000_000);
        let ago = |seconds: i64| relative(now.plus_ms(-1_000 * seconds), now);
        assert_eq!(
            [ago(0), ago(59), ago(60), ago(7_200), ago(200_000), ago(-90)],
            ["0 s ago", "59 s ago", "1 min ago", "2 h ago", "2 d ago", "in 1 min"]
        );
    }

    #[test]
    fn times_are_read_as_rfc_3339_or_as_how_long_ago() {
        let now = Timestamp(1_000_000_000);
        assert_eq!(time("15m", now), Ok(Timestamp(1_000_000_000 - 900_000)));
        assert_eq!(time("now", now), Ok(now));
        assert_eq!(time("1970-01-01T00:00:01Z", now), Ok(Timestamp(1_000)));
        assert!(time("yesterday", now).unwrap_err().contains("is no time"));
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(plain("a\u{1b}[31mb\nc\u{202e}"), "a\\u{1b}[31mb\\nc\\u{202e}");
        assert_eq!(plain("für 数"), "für 数");
    }

    #[test]
    fn markdown_keeps_code_as_it_is() {
        assert_eq!(markdown("a < b, `a <= b`"), "a \\< b, `a <= b`");
    }

    #[test]
    fn padding_counts_columns_and_not_bytes() {
        assert_eq!(pad("数", 4, false), "数  ");
        assert_eq!(pad("7", 3, true), "  7");
    }
}
