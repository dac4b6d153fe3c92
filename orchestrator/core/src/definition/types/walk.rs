//! Walks an expression, and finds what it is and what could go wrong: what it reads must be there
//! and must not be null, unless a test around it says so.

use cel::{
    IdedExpr,
    common::ast::{Expr, LiteralValue, SelectExpr},
};

use super::{
    super::{ast, diagnostic::Severity, scope::View},
    Typing,
    facts::{self, Facts, written},
    kinds::Kinds,
    part::Part,
    told::{self, Finding, Told},
    value::Type,
};

/// What is known at a place within an expression.
#[derive(Clone)]
pub(super) struct Here<'s> {
    pub(super) facts: Facts,
    /// Names that loops around it have bound, the innermost last.
    bound: Vec<(String, Type<'s>)>,
}

/// What is read of a value.
#[derive(Clone, Copy)]
pub(super) enum Segment<'e> {
    Field(&'e str),
    /// By its number; `None` where there can be none of it.
    Item(Option<usize>),
    /// Of a name that is computed.
    AnyField,
    /// Of a number that is computed.
    AnyItem,
    /// One or the other.
    Any,
}

impl Segment<'_> {
    /// What the value must be that it is read of, and what such parts are called.
    fn of(self) -> (Kinds, &'static str) {
        match self {
            Self::Field(_) | Self::AnyField => (Kinds::MAP, "fields"),
            Self::Item(_) | Self::AnyItem => (Kinds::LIST, "items"),
            Self::Any => (Kinds::MAP.or(Kinds::LIST), "parts"),
        }
    }
}

/// A walk through one expression.
pub(super) struct Walk<'w, 's> {
    pub(super) view: &'w View<'s>,
    pub(super) typing: &'w Typing<'s>,
    pub(super) findings: Vec<Finding>,
}

impl<'s> Here<'s> {
    pub(super) fn new(facts: Facts) -> Self {
        Self { facts, bound: Vec::new() }
    }

    pub(super) fn assuming(&self, condition: &IdedExpr, holds: bool) -> Self {
        Self { facts: self.facts.assuming(condition, holds), bound: self.bound.clone() }
    }

    pub(super) fn bind(&mut self, name: &str, value: Type<'s>) {
        self.facts.forget(name);
        self.bound.push((name.to_owned(), value));
    }

    fn bound(&self, name: &str) -> Option<&Type<'s>> {
        self.bound.iter().rev().find(|(bound, _)| bound == name).map(|(_, value)| value)
    }
}

impl<'s> Walk<'_, 's> {
    /// What an expression is.
    pub(super) fn infer(&mut self, expr: &IdedExpr, here: &Here<'s>) -> Type<'s> {
        if let Some(value) = self.named(expr, here) {
            return self.refine(expr, value, here);
        }
        match &expr.expr {
            Expr::Select(SelectExpr { operand, field, test }) => {
                let segment = Segment::Field(field);
                let value = self.read(expr, operand, segment, *test, here);
                if *test { Type::of_kinds(Kinds::BOOL) } else { value }
            }
            Expr::Call(call) => self.call(expr, call, here),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, here),
            Expr::List(list) => {
                let items: Vec<_> =
                    list.elements.iter().map(|item| self.infer(item, here)).collect();
                if list.optional_indices.is_empty() {
                    Type::list(items)
                } else {
                    Type::of_kinds(Kinds::LIST)
                }
            }
            Expr::Map(map) => {
                let mut fields = Vec::new();
                for (key, value, is_optional) in ast::entries(map) {
                    self.infer(key, here);
                    let value = self.infer(value, here);
                    fields.push(
                        facts::text(key)
                            .filter(|_| !is_optional)
                            .map(|key| (key.to_owned(), value)),
                    );
                }
                let fields: Option<Vec<_>> = fields.into_iter().collect();
                fields.map_or(Type::of_kinds(Kinds::MAP), Type::map)
            }
            Expr::Literal(literal) => of_literal(literal),
            Expr::Ident(_) | Expr::Struct(_) | Expr::Unspecified => Type::UNKNOWN,
        }
    }

    /// What a name stands for, with as many fields as it takes to be one.
    fn named(&self, expr: &IdedExpr, here: &Here<'s>) -> Option<Type<'s>> {
        let (name, fields, presence) = ast::chain(expr)?;
        if presence == ast::Presence::Test {
            return None;
        }
        if let Some(value) = here.bound(name) {
            return fields.is_empty().then(|| value.clone());
        }
        let (root, taken) = self.view.resolve(name, &fields).ok()?;
        (taken == fields.len()).then(|| self.typing.root(&root))
    }

    /// Adds what the tests around a place prove.
    fn refine(&self, expr: &IdedExpr, value: Type<'s>, here: &Here<'s>) -> Type<'s> {
        let Some(path) = facts::path(expr) else {
            return value;
        };
        let is_not_null = here.facts.is_not_null(&path);
        let value = if is_not_null { value.and_not_null() } else { value };
        value.and_proven(here.facts.of_parts(&path))
    }

    /// Reads a part of a value, or only asks whether it is there.
    pub(super) fn read(
        &mut self,
        expr: &IdedExpr,
        operand: &IdedExpr,
        segment: Segment<'_>,
        is_test: bool,
        here: &Here<'s>,
    ) -> Type<'s> {
        let value = self.solid(operand, here);
        let (kind, parts) = segment.of();
        if let Some(but) = value.misses(kind) {
            let told = told::no_parts(&subject(operand), value.kinds, but, parts);
            self.report(operand, Severity::Error, told);
            return Type::UNKNOWN;
        }
        let part = match segment {
            Segment::Field(name) => value.field(name),
            Segment::Item(at) => value.item(at),
            Segment::AnyField => value.any_field(),
            Segment::AnyItem => value.item(None),
            Segment::Any => value.any_field().or(value.item(None)),
        };
        match part {
            Part::There { part, may_be_missing, is_open, is_untyped } => {
                // Only of a map it means something that a key is in it.
                let is_proven = !matches!(segment, Segment::AnyItem | Segment::Any)
                    && facts::path(expr).is_some_and(|path| here.facts.is_present(&path));
                let is_proven = is_test || is_proven;
                if is_untyped || (is_open && !is_proven) {
                    let told = match is_open {
                        true => self.open(operand, kind),
                        false => self.untyped(operand, kind, parts),
                    };
                    self.report(operand, Severity::Warning, told);
                }
                if !is_proven {
                    self.doubt(expr, operand, segment, may_be_missing);
                }
                self.refine(expr, part, here)
            }
            Part::Nowhere(names) => {
                let Segment::Field(name) = segment else { return Type::UNKNOWN };
                let told = told::nowhere(&subject(operand), name, &names);
                self.report(operand, Severity::Error, told);
                Type::UNKNOWN
            }
            Part::NoParts => Type::UNKNOWN,
        }
    }

    /// Tells of a part that is not proven to be there.
    fn doubt(
        &mut self,
        expr: &IdedExpr,
        operand: &IdedExpr,
        segment: Segment<'_>,
        may_be_missing: bool,
    ) {
        let path = facts::path(expr);
        let last = match segment {
            Segment::Field(name) => facts::Segment::Field(name.to_owned()),
            Segment::Item(Some(at)) => facts::Segment::Item(at),
            Segment::Item(None) => {
                let told = told::no_item(&subject(operand));
                return self.report(operand, Severity::Error, told);
            }
            Segment::AnyField | Segment::AnyItem | Segment::Any => {
                let key = match path.as_deref().and_then(<[_]>::last) {
                    Some(facts::Segment::Computed(key)) => Some(key.as_slice()),
                    _ => None,
                };
                let is_field = matches!(segment, Segment::AnyField);
                let told = told::computed(&subject(operand), key, is_field);
                return self.report(operand, Severity::Warning, told);
            }
        };
        if may_be_missing {
            self.report(operand, Severity::Error, told::missing(path.as_deref(), &last));
        }
    }

    /// What is to be said of a value whose schema does not say which parts it has.
    fn open(&self, operand: &IdedExpr, kind: Kinds) -> Told {
        let undeclared = facts::path(operand).and_then(|path| self.typing.undeclared(&path));
        undeclared.unwrap_or_else(|| told::open(&subject(operand), kind))
    }

    /// What is to be said of a value that may not have such parts at all.
    pub(super) fn untyped(&self, operand: &IdedExpr, kind: Kinds, parts: &str) -> Told {
        let undeclared = facts::path(operand).and_then(|path| self.typing.undeclared(&path));
        undeclared.unwrap_or_else(|| told::untyped(&subject(operand), kind, parts))
    }

    /// What an expression is that must not be null.
    pub(super) fn solid(&mut self, expr: &IdedExpr, here: &Here<'s>) -> Type<'s> {
        let value = self.infer(expr, here);
        if let Some(why) = &value.null {
            self.report(expr, Severity::Error, told::null(&subject(expr), why));
        }
        value.and_not_null()
    }

    pub(super) fn report(
        &mut self,
        at: &IdedExpr,
        severity: Severity,
        (message, hint): (String, String),
    ) {
        self.findings.push(Finding { id: ast::start(at), severity, message, hint });
    }
}

/// What an expression is called in a sentence.
pub(super) fn subject(expr: &IdedExpr) -> String {
    facts::path(expr).map_or_else(|| "this".to_owned(), |path| format!("`{}`", written(&path)))
}

fn of_literal(literal: &LiteralValue) -> Type<'static> {
    Type::of_kinds(match literal {
        LiteralValue::Null => return Type::null("it says so"),
        LiteralValue::Boolean(_) => Kinds::BOOL,
        LiteralValue::Int(_) => Kinds::INTEGER,
        // CEL has two kinds of whole numbers, which do not go together.
        LiteralValue::UInt(_) => return Type::perhaps(Kinds::INTEGER),
        LiteralValue::Double(_) => Kinds::FRACTION,
        LiteralValue::String(_) => Kinds::TEXT,
        LiteralValue::Bytes(_) => return Type::UNKNOWN,
    })
}
