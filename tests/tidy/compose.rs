//! `compose.yaml` and `Dockerfile` against the programs. No Docker engine runs where the product is
//! tested, so this is what keeps the two from falling behind.

use std::collections::{BTreeMap, BTreeSet};

use lab::Binary;
use serde_json::{Map, Value};

use crate::files;

/// Who runs which program.
const PROGRAMS: [(&str, &[&str]); 4] = [
    ("orchestrator", &["saga", "serve"]),
    ("payment", &["payment"]),
    ("inventory", &["inventory"]),
    ("shipping", &["shipping"]),
];

fn compose() -> Value {
    serde_saphyr::from_str(&files::read("compose.yaml")).unwrap_or_else(|error| panic!("{error}"))
}

fn services(compose: &Value) -> &Map<String, Value> {
    compose["services"].as_object().expect("`services` is a table")
}

fn words(value: &Value) -> Vec<&str> {
    let words = value.as_array().unwrap_or_else(|| panic!("a list, not `{value}`"));
    words.iter().map(|word| word.as_str().expect("a text")).collect()
}

/// What a program says that it reads from the environment, and what it takes where nobody says.
fn variables(program: &[&str]) -> BTreeMap<String, Option<String>> {
    let help = Binary::new(program[0]).args(&program[1..]).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let mut variables = BTreeMap::new();
    // A paragraph for each flag.
    for flag in help.split("\n      --") {
        let bracket = |what| Some(flag.split_once(what)?.1.split(']').next()?.trim().to_owned());
        if let Some(variable) = bracket("[env:") {
            let name = variable.split('=').next().unwrap_or_default().to_owned();
            variables.insert(name, bracket("[default:"));
        }
    }
    variables
}

#[test]
fn every_program_runs_with_the_variables_that_it_reads() {
    let compose = compose();
    let services = services(&compose);
    let expected: BTreeSet<&str> =
        PROGRAMS.iter().map(|(service, _)| *service).chain(["postgres", "rabbitmq"]).collect();
    assert_eq!(services.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    for (name, program) in PROGRAMS {
        let service = &services[name];
        let command = words(&service["command"]);
        assert!(command.starts_with(program), "`{name}` runs {command:?}");
        let known = variables(program);
        assert!(known.contains_key("AMQP_URL"), "`{program:?} --help` says {known:?}");
        let given = service["environment"].as_object().expect("a table");
        for variable in given.keys() {
            assert!(known.contains_key(variable), "`{name}` does not read `{variable}`");
        }
        for server in ["AMQP_URL", "DATABASE_URL"] {
            assert!(given.contains_key(server), "`{name}` needs `{server}`");
        }
        for server in ["postgres", "rabbitmq"] {
            let waits = &service["depends_on"][server]["condition"];
            assert_eq!(waits, "service_healthy", "`{name}` waits for `{server}`");
        }
    }
}

#[test]
fn urls_name_the_servers_as_they_are_set_up() {
    let compose = compose();
    let services = services(&compose);
    let (postgres, rabbitmq) = (&services["postgres"], &services["rabbitmq"]);
    let said =
        |server: &Value, name: &str| server["environment"][name].as_str().unwrap().to_owned();
    let database = format!(
        "postgres://{}:{}@postgres:5432/{}",
        said(postgres, "POSTGRES_USER"),
        said(postgres, "POSTGRES_PASSWORD"),
        said(postgres, "POSTGRES_DB"),
    );
    let broker = format!(
        "amqp://{}:{}@rabbitmq:5672/%2f",
        said(rabbitmq, "RABBITMQ_DEFAULT_USER"),
        said(rabbitmq, "RABBITMQ_DEFAULT_PASS"),
    );
    for (name, _) in PROGRAMS {
        assert_eq!(said(&services[name], "DATABASE_URL"), database, "{name}");
        assert_eq!(said(&services[name], "AMQP_URL"), broker, "{name}");
    }
    for (service, password) in
        [(postgres, "POSTGRES_PASSWORD"), (rabbitmq, "RABBITMQ_DEFAULT_PASS")]
    {
        let password = said(service, password);
        assert!(password.starts_with("${") && password.contains(":?"), "no default: {password}");
    }
}

/// What has no authentication is for this machine alone, at the place where everybody looks for it.
#[test]
fn ports_are_open_to_this_machine_only() {
    let compose = compose();
    let services = services(&compose);
    for (name, service) in services {
        for port in service.get("ports").map(words).unwrap_or_default() {
            assert!(port.starts_with("127.0.0.1:"), "`{name}` opens `{port}` to everybody");
        }
    }
    let defaults = variables(&["saga", "serve"]);
    let listen = defaults["SAGA_LISTEN"].as_deref().unwrap();
    let orchestrator = &services["orchestrator"];
    let inside = orchestrator["environment"]["SAGA_LISTEN"].as_str().unwrap();
    let (_, port) = inside.split_once("0.0.0.0:").expect("others in the network reach it");
    assert_eq!(words(&orchestrator["ports"]), [format!("{listen}:{port}")]);
    // The health check, and whoever calls `saga` in the container, looks where it does by default.
    let url = variables(&["saga", "list"])["SAGA_URL"].clone();
    assert_eq!(url, Some(format!("http://127.0.0.1:{port}")));
}

#[test]
fn servers_are_of_versions_that_we_support_and_keep_their_data() {
    let compose = compose();
    let services = services(&compose);
    let version = |name: &str| {
        let image = services[name]["image"].as_str().unwrap();
        let tag = image.strip_prefix(&format!("{name}:")).expect("the official image");
        let mut numbers = tag.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    };
    assert!(((3, 10)..(5, 0)).contains(&version("rabbitmq")), "RabbitMQ 3.10 to 4.x");
    // From 18 on the image keeps its data elsewhere.
    assert!(((15, 0)..(18, 0)).contains(&version("postgres")), "Postgres 15 and later");
    for (name, folder) in
        [("postgres", "/var/lib/postgresql/data"), ("rabbitmq", "/var/lib/rabbitmq")]
    {
        assert_eq!(words(&services[name]["volumes"]), [format!("{name}:{folder}")]);
        assert!(compose["volumes"].get(name).is_some(), "`{name}` is a volume");
    }
    assert_eq!(services["rabbitmq"]["hostname"], "rabbitmq", "its data is found by its name");
    for name in ["postgres", "rabbitmq", "orchestrator"] {
        let check = words(&services[name]["healthcheck"]["test"]);
        assert_eq!(check[0], "CMD", "`{name}` is asked how it is");
    }
}

#[test]
fn the_image_holds_all_programs_and_runs_them_as_nobody() {
    let dockerfile = files::read("Dockerfile");
    let (build, image) = dockerfile.rsplit_once("\nFROM ").expect("two stages");
    for (_, program) in PROGRAMS {
        assert!(build.contains(&format!("target/release/{}", program[0])), "{program:?}");
    }
    let toolchain = files::read("rust-toolchain.toml");
    let version = toolchain.split('"').nth(1).and_then(|v| v.rsplit_once('.')).unwrap().0;
    assert!(build.contains(&format!("FROM rust:{version}-")), "the compiler is {version}");
    let user = image.lines().find_map(|line| line.strip_prefix("USER ")).expect("a user");
    assert!(!user.starts_with("root") && !user.starts_with('0'), "not `{user}`");
    let compose = compose();
    let orchestrator = &services(&compose)["orchestrator"];
    let folder = orchestrator["environment"]["SAGA_DEFS"].as_str().unwrap();
    assert!(image.contains(&format!("ENV SAGA_DEFS={folder}\n")), "definitions in `{folder}`");
    assert_eq!(words(&orchestrator["volumes"]), [format!("./saga-defs:{folder}:ro")]);
}
