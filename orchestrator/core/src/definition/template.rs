//! Templates: JSON in which `${expression}` stands for a value. Alone it keeps its type, inside
//! text it is interpolated; `$${` is a literal `${`.

use saga_protocol::Json;
use serde_json::{json, value::RawValue};

use super::{
    diagnostic::Findings,
    expression::{Expression, ExpressionError, Problem},
    payload, read,
    scope::{Scope, View},
    tree::{Node, Value},
    types::{Type, Wants},
};

/// A checked template.
#[derive(Debug)]
pub struct Template {
    source: serde_json::Value,
    part: Part,
}

#[derive(Debug)]
enum Part {
    /// JSON as it is.
    Constant(String),
    Expression(Expression),
    Text(Vec<Piece>),
    List(Vec<Part>),
    /// Keys in order, so that the same definition always makes the same bytes.
    Map(Vec<(String, Part)>),
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Expression(Expression),
}

impl Template {
    /// The template that makes an empty map.
    pub(super) fn empty() -> Self {
        let source = serde_json::Value::Object(serde_json::Map::new());
        Self { source, part: Part::Map(Vec::new()) }
    }

    /// Compiles, and reports all that is wrong.
    pub(super) fn parse(node: &Node, view: &View<'_>, findings: &mut Findings<'_>) -> Option<Self> {
        let part = parse_part(node, view, findings)?;
        Some(Self { source: node.to_json(), part })
    }

    /// What it makes, where something is known of what it reads.
    pub(super) fn infer<'s>(&self, view: &View<'s>) -> Option<Type<'s>> {
        self.part.infer(view)
    }

    /// The JSON Schema of what it makes, where `of` has that of an expression that stands alone.
    pub(crate) fn schema(
        &self,
        of: &mut impl FnMut(&Expression) -> serde_json::Value,
    ) -> serde_json::Value {
        self.part.schema(of)
    }

    /// The template as it is written.
    #[must_use]
    pub fn source(&self) -> &serde_json::Value {
        &self.source
    }

    /// The JSON it makes of these values.
    ///
    /// # Errors
    /// [`ExpressionError`] where an expression has no value, or one that does not fit where it
    /// stands.
    pub fn render(&self, scope: &Scope<'_>) -> Result<Json, ExpressionError> {
        let mut out = String::new();
        self.part.render(scope, &mut out)?;
        RawValue::from_string(out).map_err(|error| failure(error.to_string()))
    }
}

impl Part {
    fn infer<'s>(&self, view: &View<'s>) -> Option<Type<'s>> {
        Some(match self {
            Self::Constant(json) => Type::of_json(&serde_json::from_str(json).ok()?),
            Self::Expression(expression) => expression.infer(view)?.written(),
            Self::Text(_) => Type::TEXT,
            Self::List(items) => {
                let items = items.iter().map(|item| item.infer(view));
                Type::list(items.collect::<Option<Vec<_>>>()?)
            }
            Self::Map(fields) => {
                let fields =
                    fields.iter().map(|(name, part)| Some((name.clone(), part.infer(view)?)));
                Type::map(fields.collect::<Option<Vec<_>>>()?)
            }
        })
    }

    fn schema(&self, of: &mut impl FnMut(&Expression) -> serde_json::Value) -> serde_json::Value {
        match self {
            Self::Constant(json) => {
                let constant: serde_json::Value =
                    serde_json::from_str(json).expect("a constant is JSON");
                json!({ "const": constant })
            }
            Self::Expression(expression) => of(expression),
            Self::Text(_) => json!({ "type": "string" }),
            Self::List(items) => {
                let mut distinct = Vec::new();
                for item in items.iter().map(|item| item.schema(of)) {
                    if !distinct.contains(&item) {
                        distinct.push(item);
                    }
                }
                let mut schema =
                    json!({ "type": "array", "minItems": items.len(), "maxItems": items.len() });
                match <[_; 1]>::try_from(distinct) {
                    Ok([all]) => schema["items"] = all,
                    Err(none) if none.is_empty() => {}
                    Err(several) => schema["items"] = json!({ "anyOf": several }),
                }
                schema
            }
            Self::Map(entries) => {
                let names: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).collect();
                let properties: serde_json::Map<_, _> =
                    entries.iter().map(|(name, part)| (name.clone(), part.schema(of))).collect();
                json!({ "type": "object", "required": names, "properties": properties })
            }
        }
    }

    fn render(&self, scope: &Scope<'_>, out: &mut String) -> Result<(), ExpressionError> {
        match self {
            Self::Constant(json) => out.push_str(json),
            Self::Expression(expression) => out.push_str(expression.evaluate(scope)?.get()),
            Self::Text(pieces) => payload::write_text(out, &interpolate(pieces, scope)?),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    payload::separate(out, index);
                    item.render(scope, out)?;
                }
                out.push(']');
            }
            Self::Map(entries) => {
                out.push('{');
                for (index, (key, part)) in entries.iter().enumerate() {
                    payload::separate(out, index);
                    payload::write_text(out, key);
                    out.push(':');
                    part.render(scope, out)?;
                }
                out.push('}');
            }
        }
        payload::check_length(out).map_err(failure)
    }
}

fn interpolate(pieces: &[Piece], scope: &Scope<'_>) -> Result<String, ExpressionError> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Expression(expression) => {
                let json = expression.evaluate(scope)?;
                text.push_str(&text_of(&json).map_err(|message| expression.error(message))?);
            }
        }
        payload::check_length(&text).map_err(failure)?;
    }
    Ok(text)
}

/// A value inside text: text as it is, numbers and booleans as they are written.
fn text_of(json: &RawValue) -> Result<String, String> {
    match json.get().as_bytes() {
        [b'"', ..] => serde_json::from_str(json.get())
            .map_err(|error| format!("its value is not proper text: {error}")),
        [b'{', ..] => Err("its value is a map, and stands inside text".to_owned()),
        [b'[', ..] => Err("its value is a list, and stands inside text".to_owned()),
        b"null" => Err("its value is null, and stands inside text".to_owned()),
        _ => Ok(json.get().to_owned()),
    }
}

fn failure(message: String) -> ExpressionError {
    ExpressionError { expression: "${…}".to_owned(), message }
}

fn parse_part(node: &Node, view: &View<'_>, findings: &mut Findings<'_>) -> Option<Part> {
    match &node.value {
        Value::Text(text) => parse_text(node, text, view, findings),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| parse_part(item, view, findings)).collect();
            items.into_iter().collect::<Option<_>>().map(Part::List)
        }
        Value::Map(entries) => {
            let mut parts = Vec::with_capacity(entries.len());
            for entry in entries {
                if entry.key.contains("${") {
                    findings.add(entry.place, "a key is not a template; only values are");
                }
                let part = parse_part(&entry.node, view, findings);
                parts.push(part.map(|part| (entry.key.clone(), part)));
            }
            let mut parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
            parts.sort_by(|(a, _), (b, _)| a.cmp(b));
            Some(Part::Map(parts))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            Some(Part::Constant(node.to_json().to_string()))
        }
    }
}

fn parse_text(
    node: &Node,
    text: &str,
    view: &View<'_>,
    findings: &mut Findings<'_>,
) -> Option<Part> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut is_sound = true;
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, at) = rest.split_at(start);
        if let Some(escaped) = before.strip_suffix('$') {
            literal.push_str(escaped);
            literal.push_str("${");
            rest = &at[2..];
            continue;
        }
        literal.push_str(before);
        let Some(end) = expression_end(&at[2..]) else {
            let place = findings.find(node.place, at).unwrap_or(node.place);
            let hint = "close it with `}`, or write `$${` where you mean a literal `${`";
            findings.add_with_hint(place, "this `${` is never closed", hint);
            return None;
        };
        let source = at[2..2 + end].trim();
        rest = &at[2 + end + 1..];
        let is_alone = text.starts_with("${") && rest.is_empty() && pieces.is_empty();
        let wants = if is_alone { Wants::Anything } else { Wants::Text };
        match expression(node, source, view, wants, findings) {
            Some(expression) => {
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Expression(expression));
            }
            None => is_sound = false,
        }
    }
    literal.push_str(rest);
    if !is_sound {
        return None;
    }
    if pieces.is_empty() {
        return Some(Part::Constant(serde_json::Value::from(literal).to_string()));
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    match <[Piece; 1]>::try_from(pieces) {
        Ok([Piece::Expression(alone)]) => Some(Part::Expression(alone)),
        Ok(one) => Some(Part::Text(one.into())),
        Err(pieces) => Some(Part::Text(pieces)),
    }
}

/// An expression that is the whole value, without `${…}`.
pub(super) fn bare_expression(
    node: &Node,
    view: &View<'_>,
    wants: Wants,
    findings: &mut Findings<'_>,
) -> Option<Expression> {
    let text = read::text(node, findings)?;
    if text.starts_with("${") {
        let hint = "write it without `${` and `}`";
        findings.add_with_hint(node.place, "this takes a bare expression", hint);
        return None;
    }
    expression(node, text.trim(), view, wants, findings)
}

/// Compiles an expression that stands somewhere in a value, and reports what is wrong where it is.
fn expression(
    node: &Node,
    source: &str,
    view: &View<'_>,
    wants: Wants,
    findings: &mut Findings<'_>,
) -> Option<Expression> {
    if !findings.allow_expression(node.place, source) {
        return None;
    }
    let (expression, problems) = Expression::compile(source, view, wants);
    let found = findings.find(node.place, source).filter(|_| !source.is_empty());
    for Problem { offset, severity, message, hint } in problems {
        let offset = u32::try_from(offset).unwrap_or(0);
        let place = found.map_or(node.place, |place| place.right_by(offset));
        findings.note(severity, place, message, hint);
    }
    expression
}

/// Where the expression at the beginning of `text` ends: at the first `}` that no bracket and no
/// quote of its own explains.
fn expression_end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        match next {
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            '{' => depth += 1,
            '"' | '\'' => {
                at += quoted_length(&text[at..], next, is_raw(&text[..at]))?;
                continue;
            }
            _ => {}
        }
        at += next.len_utf8();
    }
    None
}

/// Whether a quote that follows this text begins a raw literal, in which a backslash is only that.
fn is_raw(before: &str) -> bool {
    let prefix = before.trim_end_matches(['r', 'R', 'b', 'B']);
    let is_prefix = !prefix.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
    is_prefix && before[prefix.len()..].contains(['r', 'R'])
}

/// The length of the quoted literal at the beginning of `text`, in bytes; `None` where it is never
/// closed.
fn quoted_length(text: &str, quote: char, is_raw: bool) -> Option<usize> {
    let triple: String = [quote; 3].iter().collect();
    let close = if text.starts_with(&triple) { triple } else { quote.to_string() };
    let mut at = close.len();
    loop {
        let rest = &text[at..];
        if rest.starts_with(&close) {
            return Some(at + close.len());
        }
        let next = rest.chars().next()?;
        at += next.len_utf8();
        if next == '\\' && !is_raw {
            at += text[at..].chars().next()?.len_utf8();
        }
    }
}
