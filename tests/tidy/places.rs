//! What may be done in some places only.

use std::collections::BTreeSet;

use crate::{files, none};

/// A rule: lines of the product that say this may stand in these places only.
struct Rule {
    /// What a line of code contains; any of them.
    says: &'static [&'static str],
    /// Paths, or beginnings of them, where it may.
    only_in: &'static [&'static str],
    /// Ends of paths where it may.
    or_in: &'static [&'static str],
    /// What to do instead.
    instead: &'static str,
}

const RULES: [Rule; 5] = [
    Rule {
        says: &[".unwrap()"],
        only_in: &[],
        or_in: &[],
        instead: "pass the error on, or `expect` with the reason why it cannot be",
    },
    Rule {
        says: &["print!(", "println!(", "eprint!(", "eprintln!(", "dbg!("],
        // Cargo's own protocol.
        only_in: &["orchestrator/store/build.rs"],
        or_in: &["/cli/output.rs"],
        instead: "say it through `cli/output.rs`, or log it",
    },
    Rule {
        says: &["env::var", "env::vars", "from_default_env", "env = \"\"", "(long, env"],
        only_in: &[],
        or_in: &["/settings.rs"],
        instead: "add a field to the settings: they are the help, and the only reader",
    },
    Rule {
        says: &["sqlx::", "PgPool", "PgConnection"],
        only_in: &["orchestrator/store/", "participants/", "bench/", "tests/"],
        or_in: &[],
        instead: "ask the store, or the SDK's `Tx`",
    },
    Rule {
        says: &["wall_clock()", "SystemTime::now", "Timestamp::now"],
        // Messages are stamped with it, and lists are filtered by it: nothing is decided. A store
        // that is a file has no other clock.
        only_in: &["protocol/", "participants/sdk/", "lab/", "bench/", "bus/"],
        or_in: &["/engine/src/publisher.rs", "/http/query.rs", "/store/src/sqlite/clock.rs"],
        instead: "take `now` as a parameter: the database's clock decides",
    },
];

#[test]
fn things_are_done_in_their_places() {
    let mut found = Vec::new();
    for file in files::product() {
        for rule in RULES.iter().filter(|rule| !rule.allows(&file.path)) {
            let says = |code: &str| rule.says.iter().any(|word| code.contains(word));
            let lines = file.product_code().filter(|(_, code)| says(code));
            found.extend(lines.map(|(at, _)| format!("{}: {}", file.at(at), rule.instead)));
        }
    }
    none(&found);
}

impl Rule {
    fn allows(&self, path: &str) -> bool {
        self.only_in.iter().any(|place| path.starts_with(place))
            || self.or_in.iter().any(|place| path.ends_with(place))
    }
}

/// A rule that no file breaks may be one that looks for the wrong thing.
#[test]
fn every_rule_sees_what_it_allows() {
    let files: Vec<_> = files::product().collect();
    for rule in RULES.iter().filter(|rule| rule.only_in.len() + rule.or_in.len() > 0) {
        let says = |code: &str| rule.says.iter().any(|word| code.contains(word));
        let mut allowed = files.iter().filter(|file| rule.allows(&file.path));
        let seen = allowed.any(|file| file.product_code().any(|(_, code)| says(&code)));
        assert!(seen, "nobody says any of {:?}", rule.says);
    }
}

/// Whoever commits must know what an error in the middle of it means, and that Postgres answers the
/// commit of a transaction that has failed with success.
#[test]
fn only_the_transaction_helpers_commit() {
    const HELPERS: [&str; 5] = [
        "orchestrator/store/src/postgres/transaction.rs",
        "orchestrator/store/src/sqlite/transaction.rs",
        "participants/sdk/src/attempt.rs",
        "participants/sdk/src/schema.rs",
        "participants/sdk/src/tx.rs",
    ];
    const SAYS: [&str; 4] = [".commit()", "(\"commit\")", "; commit\"", "\"commit;"];
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for file in files::product() {
        for (index, _) in file.product_lines().filter(|(_, l)| SAYS.iter().any(|s| l.contains(s))) {
            match HELPERS.into_iter().find(|helper| file.path == *helper) {
                Some(helper) => drop(seen.insert(helper)),
                None => found.push(format!("{}: use the transaction helper", file.at(index))),
            }
        }
    }
    assert_eq!(seen, HELPERS.into(), "who no longer commits is no helper");
    none(&found);
}

#[test]
fn sql_stands_where_it_belongs() {
    const PLACES: [&str; 5] =
        ["orchestrator/store/", "participants/", "bench/", "tests/", "lab/src/"];
    const BEGINNINGS: [&str; 6] =
        ["select ", "insert into ", "delete from ", "create table ", "with recursive ", "begin;"];
    let mut found = Vec::new();
    let elsewhere = |path: &str| !PLACES.iter().any(|place| path.starts_with(place));
    for file in files::product().filter(|file| elsewhere(&file.path)) {
        for (index, line) in file.product_lines() {
            let texts = line.split('"').skip(1).step_by(2);
            let is_sql = |text: &str| BEGINNINGS.iter().any(|begin| text.starts_with(begin));
            if texts.into_iter().any(is_sql) {
                found.push(format!("{}: move the SQL to the store", file.at(index)));
            }
        }
    }
    none(&found);
}

/// The composition root is the one file of engine and server that knows which store and which bus
/// it is.
#[test]
fn one_file_names_the_adapters() {
    const ROOT: &str = "orchestrator/server/src/adapters.rs";
    let names = |code: &str| {
        let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|word| matches!(word, "Postgres" | "Sqlite" | "Amqp" | "Memory" | "InProcess"))
    };
    let mut found = Vec::new();
    let mut root_names = false;
    let is_ours = |path: &str| {
        ["orchestrator/server/src/", "orchestrator/engine/src/"].iter().any(|p| path.starts_with(p))
    };
    for file in files::product().filter(|file| is_ours(&file.path)) {
        for (index, _) in file.product_code().filter(|(_, code)| names(code)) {
            root_names |= file.path == ROOT;
            if file.path != ROOT {
                found.push(format!("{}: take the port, let `adapters.rs` choose", file.at(index)));
            }
        }
    }
    assert!(root_names, "`{ROOT}` is not the composition root any more");
    none(&found);
}

/// Without a zone a time is another one wherever the session's is, and twice the same in a night of
/// autumn.
#[test]
fn sql_keeps_times_with_their_zone() {
    let mut found = Vec::new();
    let mut with_zone = 0;
    for file in files::all().into_iter().filter(|file| file.path.ends_with(".sql")) {
        for (index, line) in file.text.lines().enumerate() {
            with_zone += usize::from(line.contains(" timestamptz"));
            if says_no_zone(line) {
                found.push(format!("{}: take `timestamptz`", file.at(index)));
            }
        }
    }
    assert!(with_zone > 10, "only {with_zone} times were seen");
    none(&found);
}

/// Whether a line has a time without a zone, that is not given one at once.
fn says_no_zone(line: &str) -> bool {
    let code = line.split("--").next().unwrap_or_default().to_lowercase();
    let given = code.replace("timestamp at time zone", "").replace("timestamp with time zone", "");
    let mut words = given.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| matches!(word, "timestamp" | "localtimestamp"))
}

#[test]
fn a_time_without_a_zone_is_seen() {
    for bad in
        ["at timestamp not null,", "at TIMESTAMP(6),", "x::timestamp, default localtimestamp"]
    {
        assert!(says_no_zone(bad), "{bad}");
    }
    for good in
        ["at timestamptz, -- a timestamp", "day::timestamp at time zone 'UTC'", "current_timestamp"]
    {
        assert!(!says_no_zone(good), "{good}");
    }
}
