//! Makes new inputs of known ones: bytes changed, cut and mixed; and, where an input is JSON, its values.

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};
use serde_json::Value;

/// Longest input; what is longer proves no more and costs time.
const LONGEST: usize = 16 * 1024;

/// Numbers at which arithmetic goes wrong.
const NUMBERS: [i64; 16] = [
    0,
    1,
    -1,
    2,
    5,
    60,
    255,
    65_535,
    65_536,
    4_294_967_295,
    4_294_967_296,
    i32::MAX as i64,
    i32::MIN as i64,
    i64::MAX,
    i64::MIN,
    9_223_372_036_854_775,
];

/// Words that mean something somewhere.
const WORDS: [&str; 24] = [
    "",
    "0",
    "-1",
    "null",
    "\u{0}",
    "\n",
    "\u{feff}",
    "\u{10ffff}",
    "/",
    "_",
    "404",
    "65",
    "***",
    "\"",
    "\\",
    "1970-01-01T00:00:00Z",
    "9999-12-30T22:00:00Z",
    "0000-01-01T00:00:00Z",
    "2026-01-01T00:00:00Z",
    "Claimed",
    "Running",
    "Stopping",
    "v1:a-b",
    "already started",
];

/// A new input from one of the corpus, or from nothing.
pub(crate) fn next(corpus: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    if random.random_ratio(1, 20) {
        let mut bytes = vec![0; random.random_range(0..300)];
        random.fill_bytes(&mut bytes);
        return bytes;
    }
    let mut input = pick(corpus, random).clone();
    let times = 1 + random.random_range(0..4) * random.random_range(0..3);
    for _ in 0..times {
        input = change(input, corpus, random);
    }
    input.truncate(LONGEST);
    input
}

fn pick<'a, T>(all: &'a [T], random: &mut StdRng) -> &'a T {
    &all[random.random_range(0..all.len())]
}

fn change(input: Vec<u8>, corpus: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    // A JSON input may have a line of its own before it.
    let start = if input.starts_with(b"{") {
        0
    } else {
        input.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1)
    };
    if random.random_ratio(3, 4)
        && let Ok(mut value) = serde_json::from_slice::<Value>(&input[start..])
    {
        let donor = serde_json::from_slice::<Value>(pick(corpus, random).as_slice()).ok();
        change_value(&mut value, donor.as_ref(), random);
        let json = serde_json::to_vec(&value).unwrap_or_default();
        return [&input[..start], &json].concat();
    }
    change_bytes(input, corpus, random)
}

fn change_bytes(mut input: Vec<u8>, corpus: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let at = random.random_range(0..=input.len());
    let to = random.random_range(at..=input.len().min(at + 40));
    match random.random_range(0..7) {
        0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
        1 if at < input.len() => input[at] = random.random(),
        2 => drop(input.drain(at..to)),
        3 => drop(input.splice(at..to, pick(&WORDS, random).bytes())),
        4 => drop(input.splice(at..to, pick(&NUMBERS, random).to_string().into_bytes())),
        5 => {
            let other = pick(corpus, random);
            let from = random.random_range(0..=other.len());
            let until = random.random_range(from..=other.len().min(from + 200));
            drop(input.splice(at..to, other[from..until].iter().copied()));
        }
        _ => {
            let again = input[at..to].to_vec();
            drop(input.splice(at..at, again));
        }
    }
    input
}

fn change_value(value: &mut Value, donor: Option<&Value>, random: &mut StdRng) {
    let places = count(value);
    let mut place = random.random_range(0..places);
    let with = match random.random_range(0..8) {
        0 => Value::from(*pick(&NUMBERS, random)),
        1 => Value::from(*pick(&WORDS, random)),
        2 => Value::from(pick(&WORDS, random).repeat(random.random_range(1..400))),
        3 => donor.map_or(Value::Null, |donor| part(donor, random)),
        4 => part(&value.clone(), random),
        5 => Value::from(random.random::<f64>() * 1e19),
        6 => Value::Null,
        _ => Value::from(vec![part(&value.clone(), random); random.random_range(0..3)]),
    };
    let remove = random.random_ratio(1, 6);
    replace(value, &mut place, &with, remove);
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0_usize,
    }
}

/// Any value inside this one.
fn part(value: &Value, random: &mut StdRng) -> Value {
    let mut place = random.random_range(0..count(value));
    let mut found = Value::Null;
    visit(value, &mut place, &mut found);
    found
}

fn visit(value: &Value, place: &mut usize, found: &mut Value) {
    if *place == 0 {
        *found = value.clone();
    }
    *place = place.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, place, found)),
        Value::Object(fields) => fields.values().for_each(|field| visit(field, place, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Puts `with` at the place, or takes away what is there. False: this value itself is to be removed.
fn replace(value: &mut Value, place: &mut usize, with: &Value, remove: bool) -> bool {
    let here = *place == 0;
    *place = place.wrapping_sub(1);
    if here {
        if !remove {
            *value = with.clone();
        }
        return !remove;
    }
    match value {
        Value::Array(items) => items.retain_mut(|item| replace(item, place, with, remove)),
        Value::Object(fields) => fields.retain(|_, field| replace(field, place, with, remove)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    true
}
