//! Expressions: mostly well formed, over names that the corpus has and names that nothing has.

use super::random::Random;

/// The deepest expression: beyond the limit of what is taken.
const DEPTH_MAX: usize = 9;

const ATOMS: [&str; 34] = [
    "input",
    "input.id",
    "input.list",
    "input.total",
    "input.nowhere.at_all",
    "saga.id",
    "saga.key",
    "saga",
    "steps",
    "steps.a.output",
    "steps.a.output.id",
    "steps.nobody.output",
    "steps.payment.output.id",
    "steps.a",
    "action.input",
    "action.output",
    "action.output.id",
    "x",
    "null",
    "true",
    "0",
    "1",
    "-9223372036854775808",
    "18446744073709551615u",
    "1e400",
    "0.1",
    "''",
    "'a}b'",
    "\"${\"",
    "r'\\'",
    "b'\\xff'",
    "'''\n'''",
    "[]",
    "{}",
];

const OPERATORS: [&str; 16] =
    ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in", "?", "="];

const FUNCTIONS: [&str; 18] = [
    "size",
    "has",
    "string",
    "int",
    "double",
    "uint",
    "bool",
    "type",
    "dyn",
    "duration",
    "timestamp",
    "matches",
    "contains",
    "startsWith",
    "max",
    "bytes",
    "optional.of",
    "nothing",
];

const LOOPS: [&str; 6] = ["all", "exists", "exists_one", "map", "filter", "sortBy"];

/// An expression.
pub(crate) fn expression(random: &mut Random) -> String {
    let depth = random.count(DEPTH_MAX);
    let mut text = String::new();
    write(&mut text, depth, random);
    if random.one_in(20) {
        text.truncate(text.floor_char_boundary(random.below(text.len())));
    }
    if random.one_in(200) {
        let times = random.count(3_000);
        text = [text.as_str(), " + "].concat().repeat(times) + "1";
    }
    text
}

/// A template's text: expressions in it, closed and not.
pub(crate) fn template(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.count(20) {
        let piece = match random.below(6) {
            0 => "text ".to_owned(),
            1 => "$${".to_owned(),
            2 => ["${", "$", "}", "{", "'", "\"", "\\"][random.below(7)].to_owned(),
            _ => format!("${{{}}}", expression(random)),
        };
        text.push_str(&piece);
    }
    text
}

fn write(out: &mut String, depth: usize, random: &mut Random) {
    if depth == 0 || out.len() > 4_000 {
        let atom: &&str = random.pick(&ATOMS);
        return out.push_str(atom);
    }
    let inner = |random: &mut Random| {
        let mut text = String::new();
        write(&mut text, depth - 1, random);
        text
    };
    let text = match random.below(10) {
        0 | 1 => {
            let (left, right) = (inner(random), inner(random));
            format!("{left} {} {right}", random.pick(&OPERATORS))
        }
        2 => format!("({})", inner(random)),
        3 => format!("{}({})", random.pick(&FUNCTIONS), inner(random)),
        4 => format!("{}.{}({})", inner(random), random.pick(&FUNCTIONS), inner(random)),
        5 => {
            let (range, each) = (inner(random), inner(random));
            let name = ["x", "y", "input", "@items", "1"][random.below(5)];
            format!("{range}.{}({name}, {each})", random.pick(&LOOPS))
        }
        6 => format!("{} ? {} : {}", inner(random), inner(random), inner(random)),
        7 => format!("[{}, {}]", inner(random), inner(random)),
        8 => format!("{{{}: {}}}", inner(random), inner(random)),
        _ => format!("{}[{}]", inner(random), inner(random)),
    };
    let prefix = if random.one_in(8) { ["!", "-", "!!!!", "----"][random.below(4)] } else { "" };
    out.push_str(prefix);
    out.push_str(&text);
}
