//! Changes of a definition as text: bytes, lines, words and values, anchors and merges, and much of
//! the same.

use super::{
    expressions::{expression, template},
    random::Random,
};

/// How often something is repeated at most: enough to pass every limit there is.
const TIMES_MAX: usize = 30_000;

/// What may stand behind a colon and means something else to YAML, JSON or us.
const VALUES: [&str; 40] = [
    "",
    "~",
    "null",
    "NO",
    "yes",
    "0x10",
    "0o17",
    "1_000",
    "1e999",
    "-1e999",
    ".nan",
    "-.inf",
    "-0",
    "18446744073709551616",
    "2026-01-01",
    "12:30:45",
    "|",
    ">-",
    "|9",
    "? ",
    "- ",
    "@",
    "`",
    "%TAG ! a",
    "!!binary aGk=",
    "!!int x",
    "!!set {a}",
    "!local x",
    "&a",
    "*a",
    "&a *a",
    "&a [*a]",
    "*nobody",
    "<<",
    "{ <<: *a }",
    "---",
    "...",
    "#",
    "\"\\ud800\"",
    "'",
];

/// Changes one thing, perhaps to something out of another definition.
pub(crate) fn change(text: &str, other: &str, random: &mut Random) -> String {
    match random.below(12) {
        0 => bytes(text, random),
        1..=3 => lines(text, other, random),
        4 | 5 => words(text, other, random),
        6 | 7 => {
            let value = (*random.pick(&VALUES)).to_owned();
            replace_value(text, &value, random)
        }
        8 => {
            let expression = expression(random);
            let quoted = [expression.clone(), quote(&expression)][random.below(2)].clone();
            replace_value(text, &quoted, random)
        }
        9 => {
            let template = quote(&template(random));
            replace_value(text, &template, random)
        }
        10 => anchors(text, random),
        _ => much(text, random),
    }
}

/// A text as YAML writes it whatever is in it.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn bytes(text: &str, random: &mut Random) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..random.count(30) {
        let at = random.below(bytes.len());
        match random.below(3) {
            _ if bytes.is_empty() => bytes.push(b'{'),
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, random.below(256) as u8),
            _ => bytes[at] ^= 1 << random.below(8),
        }
    }
    if random.one_in(8) {
        bytes.truncate(random.below(bytes.len()));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn lines(text: &str, other: &str, random: &mut Random) -> String {
    let mut lines: Vec<_> = text.lines().collect();
    let donors: Vec<_> = other.lines().collect();
    if lines.is_empty() || donors.is_empty() {
        return other.to_owned();
    }
    let at = random.below(lines.len());
    let (from, to) = (random.below(donors.len()), random.below(donors.len()));
    let indented = format!("{}{}", " ".repeat(random.below(7)), lines[at].trim_start());
    match random.below(6) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at]),
        2 => {
            let with = random.below(lines.len());
            lines.swap(at, with);
        }
        3 => lines[at] = &indented,
        4 => lines.insert(at, donors[from]),
        _ => drop(lines.splice(at..at, donors[from.min(to)..from.max(to)].iter().copied())),
    }
    lines.join(["\n", "\n", "\n", "\r\n", "\n\n"][random.below(5)])
}

/// Puts a word of the other text in the place of one of this.
fn words(text: &str, other: &str, random: &mut Random) -> String {
    let is_in_word = |c: char| c.is_alphanumeric() || c == '_';
    let words = |text: &'_ str| -> Vec<String> {
        text.split(|c| !is_in_word(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let (own, foreign) = (words(text), words(other));
    if own.is_empty() || foreign.is_empty() {
        return other.to_owned();
    }
    let word: &String = random.pick(&own);
    let by: &String = random.pick(&foreign);
    text.replacen(word.as_str(), by, random.count(own.len()))
}

fn replace_value(text: &str, value: &str, random: &mut Random) -> String {
    let ends: Vec<_> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
    if ends.is_empty() {
        return format!("{text}\nx: {value}\n");
    }
    let at = *random.pick(&ends);
    let rest = &text[at..];
    let end = rest.find(['\n', ',', '}']).unwrap_or(rest.len());
    let end = if random.one_in(3) { 0 } else { end };
    [&text[..at], value, &rest[end..]].concat()
}

/// Names values, and repeats them elsewhere.
fn anchors(text: &str, random: &mut Random) -> String {
    let mut text = replace_value(text, ["&a ", "&b ", "&a { <<: *b } "][random.below(3)], random);
    for _ in 0..random.count(2_000) {
        let alias = ["*a", "*b", "{ <<: *a }", "{ <<: [*a, *b] }", "[*a, *a, *b]", "&b [*a, *a]"];
        text = replace_value(&text, alias[random.below(alias.len())], random);
        if text.len() > 200_000 || random.one_in(30) {
            break;
        }
    }
    text
}

/// Repeats something until it is too much, or nests it too deeply.
fn much(text: &str, random: &mut Random) -> String {
    let times = random.count(TIMES_MAX);
    let of = [
        "[",
        "{a: ",
        "- ",
        "? ",
        "&a ",
        "*a ",
        "!",
        "(",
        "'",
        "\"",
        "${",
        "x",
        "\t",
        "\n",
        " ",
        "\n- ",
        "- {}\n",
        "a: b\n",
        "${input.id} ",
        "${1}",
        "'${steps.a.output}', ",
        "[x,",
        "é",
        "\u{0}",
        "#",
        "---\n",
        "&a [*a, *a], ",
        "|\n",
    ];
    let mut repeated = random.pick(&of).repeat(times);
    if random.one_in(4) {
        repeated = (0..times.min(5_000)).fold(String::new(), |mut text, depth| {
            text.push_str(&format!("\n{}a{depth}:", " ".repeat(depth.min(200))));
            text
        });
    }
    match random.below(3) {
        0 => replace_value(text, &repeated, random),
        1 => {
            let at = text.floor_char_boundary(random.below(text.len()));
            [&text[..at], &repeated, &text[at..]].concat()
        }
        _ => repeated,
    }
}
