//! What operators and functions of CEL make of what they are given, as far as JSON has a kind for
//! it.

use cel::common::ast::operators;

use super::{kinds::Kinds, value::Type};

const NUMBER: Kinds = Kinds::INTEGER.or(Kinds::FRACTION);

/// Functions that have a result for null.
pub(super) fn takes_null(name: &str) -> bool {
    matches!(name, "type" | "dyn")
}

/// What a function makes of these, the target first.
pub(super) fn result<'s>(name: &str, args: Vec<Type<'s>>) -> Type<'s> {
    let all_are = |kinds: Kinds| args.iter().all(|arg| arg.kinds.without(kinds) == Kinds::NONE);
    let kinds = match name {
        // The same value: only its type is not to be looked at.
        "dyn" => return args.into_iter().next().unwrap_or(Type::UNKNOWN),
        operators::ADD if all_are(Kinds::LIST) => {
            return args.into_iter().reduce(Type::or).unwrap_or(Type::UNKNOWN);
        }
        operators::ADD if all_are(Kinds::TEXT) => Kinds::TEXT,
        operators::ADD
        | operators::SUBSTRACT
        | operators::MULTIPLY
        | operators::DIVIDE
        | operators::MODULO
        | operators::NEGATE => match (all_are(Kinds::INTEGER), all_are(NUMBER)) {
            (true, _) => Kinds::INTEGER,
            (_, true) => NUMBER,
            _ => return Type::UNKNOWN,
        },
        operators::LESS
        | operators::LESS_EQUALS
        | operators::GREATER
        | operators::GREATER_EQUALS
        | operators::NOT_STRICTLY_FALSE
        | "bool"
        | "contains"
        | "endsWith"
        | "matches"
        | "startsWith" => Kinds::BOOL,
        "size" | "int" | "uint" => Kinds::INTEGER,
        "double" => Kinds::FRACTION,
        "string" => Kinds::TEXT,
        _ => return Type::UNKNOWN,
    };
    Type::of_kinds(kinds)
}
