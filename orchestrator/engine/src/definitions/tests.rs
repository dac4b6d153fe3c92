//! Reloading: all of a folder or nothing, and everybody is told before it counts.

use std::fs;

use saga_bus::{Amqp, Broker, Bus, Options, Role};
use saga_protocol::topology;
use saga_store::{Memory, Postgres};

use super::{served::Change, *};
use crate::{Engine, Random};

/// A folder of definitions, and an engine that was started on it.
struct Ground {
    folder: PathBuf,
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    engine: Engine,
}

/// A definition of one step, exposed at a path.
fn text(name: &str, path: &str, participant: &str) -> String {
    format!(
        "saga: {name}
expose: {{ path: {path}, key: input.id }}
input: {{ type: object, required: [id], properties: {{ id: {{ type: string }} }} }}
steps:
  - {{ name: only, participant: {participant}, action: act, compensation: none }}
"
    )
}

impl Ground {
    fn new(name: &str, store: Arc<dyn Store>, bus: Arc<dyn Bus>) -> Self {
        let folder = std::env::temp_dir().join(format!("saga-{name}-{}", std::process::id()));
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a.yaml"), text("a", "/a", "payment")).unwrap();
        let definitions = Arc::new(Definitions::load(&folder).unwrap());
        let ports = (Arc::clone(&store), Arc::clone(&bus));
        let engine = Engine::new(ports.0, ports.1, definitions, Arc::new(Random));
        Self { folder, store, bus, engine }
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).unwrap();
    }

    async fn reload(&self) -> Reloaded {
        self.engine.reload(&self.folder).await
    }

    fn hash(&self, name: &str) -> Option<String> {
        self.engine.definitions().current(name).map(|definition| definition.hash.clone())
    }

    /// How often reloads ended so.
    fn counted(&self, result: &str) -> String {
        let series = format!(r#"saga_definitions_reloads_total{{result="{result}"}} "#);
        let text = self.engine.metrics();
        text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().to_owned()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn in_memory(name: &str) -> Ground {
    let bus = Broker::new().connect(Role::Server);
    Ground::new(name, Arc::new(Memory::new()), Arc::new(bus))
}

#[tokio::test]
async fn a_folder_takes_the_place_of_what_it_was_and_old_versions_stay_known() {
    let ground = in_memory("reload");
    assert_eq!(ground.reload().await, Reloaded::Unchanged);
    let (before, first) = (ground.engine.definitions().served(), ground.hash("a").unwrap());
    ground.write("a.yaml", &text("a", "/elsewhere", "payment"));
    ground.write("b.yml", &text("b", "/b", "courier"));
    assert_eq!(ground.reload().await, Reloaded::Changed);
    let (second, other) = (ground.hash("a").unwrap(), ground.hash("b").unwrap());
    assert_ne!(first, second);
    let served = ground.engine.definitions().served();
    let name = |name: &str| name.parse().unwrap();
    let expected = [
        Change::Version(name("a"), first.clone(), second.clone()),
        Change::New(name("b"), other.clone()),
    ];
    assert_eq!(before.changes(&served), expected);
    // Whoever began with the old set goes on with it.
    assert_eq!(before.get("a").unwrap().definition.hash, first);

    let kept = ground.store.definitions(&[second.clone(), other.clone()]).await.unwrap();
    assert_eq!(kept.len(), 2, "the store has what sagas will refer to");
    let queue = topology::command_queue(&"courier".parse().unwrap());
    assert_eq!(ground.bus.depth(&queue).await, Some(0), "a new participant has its queue");
    let text = ground.engine.metrics();
    assert!(text.contains(r#"saga_started_total{definition="b"} 0"#), "{text}");

    fs::remove_file(ground.folder.join("a.yaml")).unwrap();
    assert_eq!(ground.reload().await, Reloaded::Changed);
    assert_eq!((ground.hash("a"), ground.hash("b")), (None, Some(other)));
    for known in [first, second] {
        assert!(ground.engine.definitions().version(&known).is_some(), "{known} is forgotten");
    }
    assert_eq!((ground.counted("changed"), ground.counted("unchanged")), ("2".into(), "1".into()));
}

#[tokio::test]
async fn what_is_wrong_changes_nothing_and_is_said_until_it_is_mended() {
    let ground = in_memory("wrong");
    let (right, file) = (text("a", "/a", "payment"), ground.folder.join("a.yaml"));
    type Break<'a> = &'a dyn Fn();
    let cases: [(&str, Break<'_>); 4] = [
        ("a.yaml:2:1", &|| ground.write("a.yaml", "saga: a\nstps: []\n")),
        ("b.yaml", &|| ground.write("b.yaml", &text("b", "/a", "payment"))),
        ("has no definition", &|| fs::remove_file(&file).unwrap()),
        ("cannot read", &|| fs::remove_dir_all(&ground.folder).unwrap()),
    ];
    for (says, breaks) in cases {
        let before = ground.engine.definitions().served();
        breaks();
        // What is right beside it is not taken up either.
        fs::write(ground.folder.join("c.yaml"), text("c", "/c", "courier")).ok();
        if says == "has no definition" {
            fs::remove_file(ground.folder.join("c.yaml")).unwrap();
        }
        assert_eq!(ground.reload().await, Reloaded::Refused, "{says}");
        let error = ground.engine.definitions().reload_error().expect("it is said");
        assert!(error.contains(says), "no `{says}` in {error}");
        assert!(Arc::ptr_eq(&before, &ground.engine.definitions().served()), "{says}");

        fs::create_dir_all(&ground.folder).unwrap();
        for added in ["b.yaml", "c.yaml"] {
            fs::remove_file(ground.folder.join(added)).ok();
        }
        ground.write("a.yaml", &right);
        assert_eq!(ground.reload().await, Reloaded::Unchanged, "{says}");
        assert_eq!(ground.engine.definitions().reload_error(), None, "{says}");
    }
    assert_eq!(ground.counted("refused"), "4");
}

#[tokio::test]
async fn what_the_store_cannot_keep_is_not_served() {
    let options = saga_store::Options { connections: 1, allow_unsafe: false };
    let store = Postgres::open("postgres://127.0.0.1:1/none", options).unwrap();
    let url = "amqp://127.0.0.1:1".to_owned();
    let bus = Amqp::start(Options { url, role: Role::Server, name: "test".to_owned() }).unwrap();
    let ground = Ground::new("away", Arc::new(store), Arc::new(bus));
    let before = ground.hash("a");
    ground.write("a.yaml", &text("a", "/elsewhere", "payment"));
    assert_eq!(ground.reload().await, Reloaded::PutOff);
    assert_eq!(ground.hash("a"), before);
    let error = ground.engine.definitions().reload_error().expect("it is said");
    assert!(error.contains("database"), "{error}");
    assert_eq!(ground.counted("put_off"), "1");
}
