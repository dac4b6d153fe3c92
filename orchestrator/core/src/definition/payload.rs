//! Payloads in and out of CEL. A whole number is a CEL `int`, whatever its sign and however it is
//! written: to JSON Schema `5.0` is an integer, and so it is here.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use cel::{
    Value,
    objects::{Key, Map},
};
use saga_protocol::{Json, limits};
use serde_json::value::RawValue;

/// The longest value that an expression or a template may make. Above the limit of a body, so that
/// whoever sends it can say by how much it is too large, and low enough that a loop cannot exhaust
/// the memory.
pub(super) const BYTES_MAX: usize = 2 * limits::BODY_BYTES_MAX;

/// A payload as CEL sees it.
pub(super) fn read(json: &RawValue) -> Result<Value, String> {
    let value: serde_json::Value = serde_json::from_str(json.get())
        .map_err(|error| format!("a value that it reads is out of range: {error}"))?;
    Ok(convert(value))
}

/// A map as CEL sees it.
pub(super) fn map(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    let entries = entries.into_iter().map(|(key, value)| (Key::String(Arc::new(key)), value));
    Value::Map(Map { map: Arc::new(entries.collect::<HashMap<_, _>>()) })
}

fn convert(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::UInt(number),
            (None, None) => {
                let number = number.as_f64().unwrap_or(f64::NAN);
                whole(number).map_or(Value::Float(number), Value::Int)
            }
        },
        serde_json::Value::String(text) => Value::String(Arc::new(text)),
        serde_json::Value::Array(items) => {
            Value::List(Arc::new(items.into_iter().map(convert).collect()))
        }
        serde_json::Value::Object(entries) => {
            map(entries.into_iter().map(|(key, value)| (key, convert(value))))
        }
    }
}

/// A number that has no fraction, as far as 64 bits hold it.
pub(super) fn whole(number: f64) -> Option<i64> {
    /// 2^63: the first that they do not hold.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    let is_whole = number.fract() == 0.0 && (-BEYOND..BEYOND).contains(&number);
    is_whole.then_some(number as i64)
}

/// A value of CEL as JSON, keys in order.
pub(super) fn write(value: &Value) -> Result<Json, String> {
    let mut out = String::new();
    write_into(&mut out, value)?;
    RawValue::from_string(out).map_err(|error| error.to_string())
}

fn write_into(out: &mut String, value: &Value) -> Result<(), String> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::UInt(value) => out.push_str(&value.to_string()),
        Value::Float(value) if value.is_finite() => {
            out.push_str(&serde_json::Value::from(*value).to_string());
        }
        Value::Float(_) => return Err("its value is not a finite number".to_owned()),
        Value::String(text) => write_text(out, text),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(out, index);
                write_into(out, item)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            let entries: BTreeMap<String, &Value> =
                map.map.iter().map(|(key, value)| (key.to_string(), value)).collect();
            // Which of them would be left hangs on chance.
            if entries.len() < map.map.len() {
                return Err("two keys of its map are the same as text".to_owned());
            }
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                separate(out, index);
                write_text(out, &key);
                out.push(':');
                write_into(out, value)?;
            }
            out.push('}');
        }
        Value::Function(..) | Value::Bytes(_) | Value::Opaque(_) | Value::Struct(_) => {
            return Err(format!("its value is a {}, which JSON has not", value.type_of()));
        }
    }
    check_length(out)
}

/// Whether what was written so far is within the limit.
pub(super) fn check_length(out: &str) -> Result<(), String> {
    if out.len() > BYTES_MAX {
        return Err(format!("its value has more than {BYTES_MAX} bytes"));
    }
    Ok(())
}

/// A comma before all items but the first.
pub(super) fn separate(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

/// Text as JSON.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}
