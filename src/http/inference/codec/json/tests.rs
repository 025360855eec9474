//! Grammar, exactness and errors of the reader; exact text of the writer.

use proptest::prelude::*;

use super::*;
use crate::infer::tensor::TensorData;

fn skip(text: &[u8]) -> Result<(), (&'static str, String)> {
    let run = || {
        let mut reader = Reader::new(text)?;
        reader.skip()?;
        reader.end()
    };
    run().map_err(|error| (error.code, error.message))
}

fn message(text: &[u8]) -> String {
    skip(text).unwrap_err().1
}

fn decimal(text: &str) -> Decimal<'_> {
    match Reader::new(text.as_bytes()).unwrap().number().unwrap() {
        Number::Decimal(decimal) => decimal,
        other => panic!("{other:?}"),
    }
}

fn string(text: &str) -> String {
    Reader::new(text.as_bytes()).unwrap().string().unwrap().into_owned()
}

#[test]
fn valid_documents_are_taken() {
    for text in [
        "null",
        " true ",
        "-0",
        "0.5e-3",
        "1E+2",
        "NaN",
        "Infinity",
        "-Infinity",
        "\"\"",
        "[]",
        "{}",
        "[[], {}]",
        "\t{\"a\" : [1 , \"x\\u00e9\\ud83d\\ude00\"],\n\"b\":\r{\"a\":null}}",
        "\"\u{7f}é\u{10ffff}\"",
    ] {
        assert_eq!(skip(text.as_bytes()), Ok(()), "{text}");
    }
}

#[test]
fn broken_documents_name_the_byte() {
    let cases: [(&[u8], &str); 28] = [
        (b"", "expected a value, found the end at byte 0"),
        (b"  ", "expected a value, found the end at byte 2"),
        (b"1 2", "the document ends before this, found more at byte 2"),
        (b"[1,]", "expected a value, found ']' at byte 3"),
        (b"[1 2]", "expected ',' or ']', found '2' at byte 3"),
        (b"[1", "expected ',' or ']', found the end at byte 2"),
        (b"{\"a\"}", "expected ':', found '}' at byte 4"),
        (b"{a:1}", "expected a key in quotes, found 'a' at byte 1"),
        (b"{\"a\":1,}", "expected a key in quotes, found '}' at byte 7"),
        (b"{\"a\":1,\"a\":2}", "duplicate key 'a' at byte 11"),
        (b"{\"a\":1,\"\\u0061\":2}", "duplicate key 'a' at byte 16"),
        (b"01", "number with a leading zero at byte 0"),
        (b"-", "expected a digit, found the end at byte 1"),
        (b"1.", "expected a digit, found the end at byte 2"),
        (b"1.e3", "expected a digit, found 'e' at byte 2"),
        (b"1e+", "expected a digit, found the end at byte 3"),
        (b".5", "expected a value, found '.' at byte 0"),
        (b"+1", "expected a value, found '+' at byte 0"),
        (b"nul", "expected null, found 'n' at byte 0"),
        (b"Nan", "expected NaN, found 'N' at byte 0"),
        (b"-Inf", "expected -Infinity, found '-' at byte 0"),
        (b"\"abc", "string without an end at byte 0"),
        (b"\"a\nb\"", "control character in a string at byte 2"),
        (b"\"a\0b\"", "control character in a string at byte 2"),
        (b"\"\\x\"", "unknown escape at byte 1"),
        (b"\"\\u12g4\"", "\\u wants four hexadecimal digits at byte 1"),
        (b"[\"\xff\"]", "invalid UTF-8 at byte 2"),
        (b"\xef\xbb\xbf{}", "expected a value, found '\\u{feff}' at byte 0"),
    ];
    for (text, want) in cases {
        assert_eq!(message(text), want, "{}", String::from_utf8_lossy(text));
        assert_eq!(skip(text).unwrap_err().0, "invalid_json");
    }
}

#[test]
fn surrogates_come_in_pairs() {
    assert_eq!(string(r#""\ud83d\ude00\u0000\/\b""#), "😀\0/\u{8}");
    for text in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\ud83d\u0041""#, r#""\ud83d\ud83d""#] {
        assert_eq!(message(text.as_bytes()), "lone surrogate at byte 1", "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
    assert_eq!(skip(&nested(64)), Ok(()));
    assert_eq!(skip(&nested(65)), Err(("too_deep", "deeper than 64 levels at byte 64".to_owned())));
    assert_eq!(skip(&vec![b'['; 1_000_000]).unwrap_err().0, "too_deep");
    assert_eq!(skip("{\"a\":".repeat(1000).as_bytes()).unwrap_err().0, "too_deep");
}

#[test]
fn hard_numbers_round_once() {
    // Half-way between two singles, and next to it: rounding by way of double would err.
    let halves = ["16777217", "16777217.000000000000000001", "16777216.999999999999999999", "1.000000059604644775390625"];
    for text in halves.iter().chain(&["7.0064923216240854e-46", "1e-45", "3.4028235e38", "3.4028235677973366e38", "0.1"]) {
        assert_eq!(decimal(text).to_f32().to_bits(), text.parse::<f32>().unwrap().to_bits(), "{text}");
        assert_eq!(decimal(text).to_f64().to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
    }
    assert_eq!(decimal("-0").to_f32().to_bits(), (-0f32).to_bits());
    assert_eq!(decimal("-0.0e5").to_f64().to_bits(), (-0f64).to_bits());
    assert_eq!(decimal("1e400").to_f64(), f64::INFINITY);
    assert_eq!(decimal("1e99999999999999999999").to_f32(), f32::INFINITY);
    assert_eq!(decimal("1e-99999999999999999999").to_f32(), 0.0);
    assert_eq!(decimal("9223372036854775807").to_i64(), Some(i64::MAX));
    assert_eq!(decimal("-9223372036854775808").to_i64(), Some(i64::MIN));
    assert_eq!(decimal("9223372036854775808").to_i64(), None);
    assert_eq!(decimal("-9223372036854775809").to_i64(), None);
    assert_eq!(decimal("18446744073709551617").to_i64(), None);
    assert_eq!(decimal("1.0").to_i64(), None);
}

fn written(data: TensorData, shape: &[usize], base64: bool) -> String {
    let mut out = String::new();
    push_values(&mut out, &data, 0, shape, base64);
    out
}

#[test]
fn values_are_written_in_the_shortest_form() {
    let singles = vec![0.1, -0.0, 1.0, 1e-7, 3.402_823_5e38, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-45, 16_777_216.0];
    assert_eq!(
        written(TensorData::Fp32(singles), &[2, 5], false),
        "[[0.1,-0.0,1.0,1e-7,3.4028235e+38],[NaN,Infinity,-Infinity,1e-45,16777216.0]]"
    );
    assert_eq!(
        written(TensorData::Fp64(vec![0.1, 0.1 + 0.2, 5e-324, f64::NEG_INFINITY]), &[4], false),
        "[0.1,0.30000000000000004,5e-324,-Infinity]"
    );
    assert_eq!(written(TensorData::Int64(vec![i64::MIN, i64::MAX]), &[2, 1], false), "[[-9223372036854775808],[9223372036854775807]]");
    assert_eq!(written(TensorData::Uint8(vec![255]), &[], false), "255");
    assert_eq!(written(TensorData::Bool(vec![true, false]), &[2], false), "[true,false]");
    assert_eq!(written(TensorData::Fp32(vec![]), &[2, 0], false), "[[],[]]");
    let texts = TensorData::Bytes(vec!["a\"\\\n\r\t\u{1}\u{1f}\u{7f}é😀".to_owned(), String::new()]);
    assert_eq!(written(texts.clone(), &[2], false), "[\"a\\\"\\\\\\n\\r\\t\\u0001\\u001f\u{7f}é😀\",\"\"]");
    assert_eq!(written(texts, &[2], true), "[{\"b64\":\"YSJcCg0JAR9/w6nwn5iA\"},{\"b64\":\"\"}]");
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_taken_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = skip(&bytes);
    }

    #[test]
    fn any_json_like_text_is_refused_or_taken_without_panic(text in "[\\[\\]{}\":,\\\\u0-9a-fDdNIntre+.é \\-]{0,60}") {
        let _ = skip(text.as_bytes());
    }

    #[test]
    fn decimals_round_as_the_standard_library_rounds(
        whole in "0|[1-9][0-9]{0,22}", places in proptest::option::of("[0-9]{1,24}"),
        exponent in proptest::option::of(-60i32..60), negative: bool,
    ) {
        let mut text = format!("{}{whole}", if negative { "-" } else { "" });
        if let Some(places) = places {
            text.push_str(&format!(".{places}"));
        }
        if let Some(exponent) = exponent {
            text.push_str(&format!("e{exponent}"));
        }
        let decimal = decimal(&text);
        prop_assert_eq!(decimal.to_f64().to_bits(), text.parse::<f64>().unwrap().to_bits());
        prop_assert_eq!(decimal.to_f32().to_bits(), text.parse::<f32>().unwrap().to_bits());
        prop_assert_eq!(decimal.to_i64(), text.parse::<i64>().ok());
    }

    #[test]
    fn points_half_way_between_singles_round_to_even(bits in 0x0080_0000u32..0x4B00_0000) {
        let (low, high) = (f32::from_bits(bits), f32::from_bits(bits + 1));
        let half = (f64::from(low) + f64::from(high)) / 2.0;
        let text = format!("{half}");
        prop_assert_eq!(decimal(&text).to_f32().to_bits(), text.parse::<f32>().unwrap().to_bits());
    }

    #[test]
    fn singles_come_back_to_the_bit(bits: u32) {
        let value = f32::from_bits(bits);
        prop_assume!(value.is_finite());
        let mut text = String::new();
        push_f32(&mut text, value);
        prop_assert_eq!(decimal(&text).to_f32().to_bits(), bits);
        prop_assert_eq!(skip(text.as_bytes()), Ok(()));
    }

    #[test]
    fn doubles_come_back_to_the_bit(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        let mut text = String::new();
        push_f64(&mut text, value);
        prop_assert_eq!(decimal(&text).to_f64().to_bits(), bits);
        prop_assert_eq!(skip(text.as_bytes()), Ok(()));
    }

    #[test]
    fn strings_come_back(text in any::<String>()) {
        let mut json = String::new();
        push_string(&mut json, &text);
        prop_assert_eq!(string(&json), text);
    }
}
