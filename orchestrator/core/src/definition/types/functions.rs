//! What operators and functions of CEL take, and what they make of it, as far as JSON has a kind
//! for it.

use cel::common::ast::operators;

use super::{kinds::Kinds, value::Type};

/// Functions that have a result for null.
pub(super) fn takes_null(name: &str) -> bool {
    matches!(name, "type" | "dyn")
}

/// An operator as it is written, and the kinds both of whose sides must be of one of them.
pub(super) fn operands(name: &str) -> Option<(&'static str, &'static [Kinds])> {
    const NUMBERS: &[Kinds] = &[Kinds::INTEGER, Kinds::FRACTION];
    const ORDERED: &[Kinds] = &[Kinds::NUMBER, Kinds::TEXT, Kinds::BOOL];
    Some(match name {
        operators::ADD => ("+", &[Kinds::INTEGER, Kinds::FRACTION, Kinds::TEXT, Kinds::LIST]),
        operators::SUBSTRACT => ("-", NUMBERS),
        operators::MULTIPLY => ("*", NUMBERS),
        operators::DIVIDE => ("/", NUMBERS),
        operators::MODULO => ("%", &[Kinds::INTEGER]),
        operators::LESS => ("<", ORDERED),
        operators::LESS_EQUALS => ("<=", ORDERED),
        operators::GREATER => (">", ORDERED),
        operators::GREATER_EQUALS => (">=", ORDERED),
        _ => return None,
    })
}

/// Whether two sides can be of kinds that do not go together, as far as something is known of them.
pub(super) fn is_misfit(left: Kinds, right: Kinds, together: &[Kinds]) -> bool {
    let all = together.iter().copied().fold(Kinds::NONE, Kinds::or);
    let crosses = |kinds: &Kinds| {
        (left.meets(*kinds) && !right.without(*kinds).is_empty())
            || (right.meets(*kinds) && !left.without(*kinds).is_empty())
    };
    !left.or(right).without(all).is_empty() || together.iter().any(crosses)
}

/// The name of a function as it is written, and the kinds that each of its arguments can be of.
pub(super) fn arguments(name: &str) -> Option<(&str, Kinds)> {
    Some(match name {
        operators::NEGATE => ("-", Kinds::NUMBER),
        "size" => (name, Kinds::TEXT.or(Kinds::LIST).or(Kinds::MAP)),
        "contains" | "endsWith" | "matches" | "startsWith" => (name, Kinds::TEXT),
        "double" | "int" | "uint" => (name, Kinds::NUMBER.or(Kinds::TEXT)),
        "string" => (name, Kinds::NUMBER.or(Kinds::TEXT).or(Kinds::BOOL)),
        "bool" => (name, Kinds::TEXT.or(Kinds::BOOL)),
        _ => return None,
    })
}

/// What a function makes of these, the target first.
pub(super) fn result<'s>(name: &str, args: Vec<Type<'s>>) -> Type<'s> {
    let all_are = |kinds: Kinds| args.iter().all(|arg| arg.kinds.without(kinds).is_empty());
    let can_be_lists = args.iter().all(|arg| arg.kinds.meets(Kinds::LIST));
    let are_known = args.iter().all(|arg| arg.known == arg.kinds);
    let kinds = match name {
        // The same value: only its type is not to be looked at.
        "dyn" => return args.into_iter().next().unwrap_or(Type::UNKNOWN),
        // What goes together with a list is one too.
        operators::ADD if can_be_lists && args.iter().any(|arg| arg.kinds == Kinds::LIST) => {
            return args.into_iter().reduce(|one, next| one.joined(&next)).unwrap_or(Type::UNKNOWN);
        }
        operators::ADD if can_be_lists => {
            return args.into_iter().reduce(Type::or).unwrap_or(Type::UNKNOWN);
        }
        operators::ADD if all_are(Kinds::TEXT) => Kinds::TEXT,
        operators::ADD
        | operators::SUBSTRACT
        | operators::MULTIPLY
        | operators::DIVIDE
        | operators::MODULO
        | operators::NEGATE => {
            let kinds = match (all_are(Kinds::INTEGER), all_are(Kinds::FRACTION)) {
                (true, _) => Kinds::INTEGER,
                (_, true) => Kinds::FRACTION,
                _ if all_are(Kinds::NUMBER) => Kinds::NUMBER,
                _ => return Type::UNKNOWN,
            };
            return if are_known { Type::of_kinds(kinds) } else { Type::perhaps(kinds) };
        }
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
        "size" | "int" => Kinds::INTEGER,
        // CEL has two kinds of whole numbers, which do not go together.
        "uint" => return Type::perhaps(Kinds::INTEGER),
        "double" => Kinds::FRACTION,
        "string" => Kinds::TEXT,
        _ => return Type::UNKNOWN,
    };
    Type::of_kinds(kinds)
}
