//! The barrier on real databases: a small shop whose every sale and return is counted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod ground;

use std::sync::Arc;

use futures_util::FutureExt;
use rand::seq::SliceRandom;
use saga_participant::{
    Answer, Command, Context, Error, Knowledge, Outcome, Participant, Refusal, Service, StepKind,
    Tx, Undo,
    testing::{self, action, brief, compensation, serve},
};
use saga_protocol::Timestamp;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

use Outcome::{Completed, Failed, Rejected};
use ground::on_both;

on_both! {
    a_repeat_gets_the_first_answer_and_does_nothing,
    an_action_that_comes_after_its_compensation_never_takes_effect,
    a_participant_that_lost_its_memory_is_not_believed,
    a_refusal_is_kept_only_where_it_is_final,
    another_body_under_the_same_identity_is_no_repeat,
    an_attempt_that_fails_leaves_nothing,
    action_and_compensation_may_race,
    values_come_back_as_they_went_in,
    tables_made_by_other_sql_are_refused,
}

/// What has been done, counted, and a switch that decides whether the shop is open.
const SCHEMA: &str = "
create table sale (saga_id uuid primary key, sold bigint not null, returned bigint not null);
create table door (open boolean not null);
insert into door (open) values (true);
";

/// Sagas in the race, and copies of each of their commands.
const SAGAS: usize = 200;
const COPIES: usize = 3;
/// Commands served at once, as many as the service has connections.
const AT_ONCE: usize = 16;

struct Shop {
    service: Service,
    /// On connections of its own: it sees what is committed.
    auditor: Service,
}

impl Shop {
    async fn open(url: &str) -> Self {
        let participant = Participant::new("shop")
            .action("sell", sell)
            .action("sell_badly", sell_badly)
            .compensation("take_back", take_back)
            .schema(SCHEMA);
        let service = participant.clone().connect(url).await.unwrap();
        Self { service, auditor: participant.connect(url).await.unwrap() }
    }

    async fn count(&self, sql: &'static str) -> i64 {
        testing::run(&self.auditor, sql, &[]).await[0].get("found").unwrap()
    }

    /// How many sales were made and not taken back, and how many rows the barrier has.
    async fn effects_and_rows(&self) -> (i64, i64) {
        let sql = "select cast(coalesce(sum(sold - returned), 0) as bigint) as found from sale";
        (self.count(sql).await, self.count("select count(*) as found from barrier").await)
    }

    async fn set_door(&self, open: bool) {
        testing::run(&self.auditor, "update door set open = $1", &[&open]).await;
    }
}

async fn sell(tx: &mut Tx, _: Value, context: &Context) -> Result<Value, Error> {
    // Counted, not guarded: only the barrier keeps it at one.
    let sql = "insert into sale (saga_id, sold, returned) values ($1, 1, 0)
        on conflict (saga_id) do update set sold = sale.sold + 1";
    tx.execute(sql, &[&context.saga_id]).await?;
    require_open(tx).await?;
    // Another one each time: a repeat that ran the handler would be seen.
    Ok(json!({ "receipt": uuid::Uuid::now_v7() }))
}

async fn take_back(tx: &mut Tx, _: Undo, context: &Context) -> Result<(), Error> {
    require_open(tx).await?;
    let sql = "update sale set returned = returned + 1 where saga_id = $1";
    tx.execute(sql, &[&context.saga_id]).await?;
    Ok(())
}

async fn require_open(tx: &mut Tx) -> Result<(), Error> {
    let door = tx.fetch_optional("select open from door", &[]).await?;
    if door.is_some_and(|row| row.get("open").unwrap_or(false)) {
        return Ok(());
    }
    Err(Refusal::new("closed", "the shop is closed").into())
}

/// Sells, then goes wrong in the way that its input names.
async fn sell_badly(tx: &mut Tx, way: String, context: &Context) -> Result<Value, Error> {
    let sold = sell(tx, Value::Null, context).await?;
    match way.as_str() {
        "error" => Err(anyhow::anyhow!("the till is jammed").into()),
        "panic" => panic!("the till is on fire"),
        "swallow" => {
            // Whoever ignores that a statement failed must not seem to succeed.
            tx.execute("select no_such_column from door", &[]).await.ok();
            Ok(sold)
        }
        "abandon" => {
            // Nor whoever does not wait for one. It takes longer than a look, on most machines.
            let slow = "with recursive numbers (n) as (
                    select 1 union all select n + 1 from numbers where n < 100000
                )
                select count(*) from numbers";
            while tx.execute(slow, &[]).now_or_never().is_some() {}
            Ok(sold)
        }
        "rollback" => {
            tx.execute("rollback", &[]).await?;
            Ok(sold)
        }
        "long" => Ok(Value::String("x".repeat(saga_protocol::limits::OUTPUT_BYTES_MAX))),
        other => panic!("no way `{other}`"),
    }
}

fn sale() -> Command {
    action("shop", "sell", &json!({ "item": "lamp" }))
}

fn undo(of: &Command, knowledge: Knowledge) -> Command {
    compensation(of, "take_back", knowledge, None)
}

fn next_attempt(command: &Command) -> Command {
    Command { attempt: command.attempt + 1, ..command.clone() }
}

async fn a_repeat_gets_the_first_answer_and_does_nothing(url: &str) {
    let shop = Shop::open(url).await;
    let sale = sale();
    let first = shop.service.handle(&sale).await;
    assert_eq!(shop.service.handle(&next_attempt(&sale)).await, first, "byte for byte");
    assert_eq!(shop.effects_and_rows().await, (1, 1));
    let undo = undo(&sale, Knowledge::Completed);
    let undone = shop.service.handle(&undo).await;
    assert_eq!(shop.service.handle(&next_attempt(&undo)).await, undone);
    assert_eq!(shop.service.handle(&sale).await, first, "a late copy of what was undone");
    assert_eq!(shop.effects_and_rows().await, (0, 2));
    assert_eq!(shop.count("select count(*) as found from sale where returned = 1").await, 1);
}

async fn an_action_that_comes_after_its_compensation_never_takes_effect(url: &str) {
    let shop = Shop::open(url).await;
    let sale = sale();
    let undo = undo(&sale, Knowledge::Unknown);
    let answer = shop.service.handle(&undo).await;
    let Answer::Reply(body) = &answer else { panic!("{answer:?}") };
    assert_eq!(body, r#"{"outcome":"completed","output":{"nothing_to_undo":true}}"#);
    let late = serve(&shop.service, &sale).await;
    assert_eq!(brief(&late), (Rejected, "compensated_already"));
    assert_eq!(shop.service.handle(&undo).await, answer);
    assert_eq!(shop.effects_and_rows().await, (0, 1));
}

async fn a_participant_that_lost_its_memory_is_not_believed(url: &str) {
    let shop = Shop::open(url).await;
    let sale = sale();
    serve(&shop.service, &sale).await;
    testing::run(&shop.auditor, "delete from barrier", &[]).await;
    let undo = undo(&sale, Knowledge::Completed);
    let reply = serve(&shop.service, &undo).await;
    assert_eq!(brief(&reply), (Failed, "effect_missing"));
    assert_eq!(shop.effects_and_rows().await, (1, 0), "nothing is written");
}

async fn a_refusal_is_kept_only_where_it_is_final(url: &str) {
    let shop = Shop::open(url).await;
    shop.set_door(false).await;
    let (final_no, mut retriable) = (sale(), sale());
    retriable.kind = StepKind::Retriable;
    let said = shop.service.handle(&final_no).await;
    let reply = serve(&shop.service, &retriable).await;
    assert_eq!(brief(&reply), (Rejected, "closed"));
    assert_eq!(shop.effects_and_rows().await, (0, 1), "and the refused sale is rolled back");
    shop.set_door(true).await;
    assert_eq!(shop.service.handle(&final_no).await, said, "the answer stands");
    let unknown = serve(&shop.service, &undo(&final_no, Knowledge::Unknown)).await;
    assert_eq!(brief(&unknown), (Completed, ""), "there is nothing to undo");
    let reply = serve(&shop.service, &retriable).await;
    assert_eq!(brief(&reply), (Completed, ""), "it is tried anew");
    shop.set_door(false).await;
    let undo = undo(&retriable, Knowledge::Completed);
    let reply = serve(&shop.service, &undo).await;
    assert_eq!(brief(&reply), (Rejected, "closed"));
    shop.set_door(true).await;
    let reply = serve(&shop.service, &undo).await;
    assert_eq!(brief(&reply), (Completed, ""));
    assert_eq!(shop.effects_and_rows().await, (0, 3));
}

async fn another_body_under_the_same_identity_is_no_repeat(url: &str) {
    let shop = Shop::open(url).await;
    let sale = sale();
    serve(&shop.service, &sale).await;
    let forged = Command { body: r#"{"item":"sofa"}"#.into(), ..sale.clone() };
    let answer = shop.service.handle(&forged).await;
    assert!(matches!(answer, Answer::Contradicted(_)), "it goes to the dead letters: {answer:?}");
    assert_eq!(brief(&testing::read(&answer)), (Failed, "body_mismatch"));
    assert_eq!(shop.effects_and_rows().await, (1, 1));
}

async fn an_attempt_that_fails_leaves_nothing(url: &str) {
    let shop = Shop::open(url).await;
    let ways = [
        ("error", "handler_failed"),
        ("panic", "handler_panicked"),
        ("swallow", "barrier_failed"),
        ("abandon", "barrier_failed"),
        ("rollback", "barrier_failed"),
        ("long", "bad_output"),
    ];
    for (way, code) in ways {
        let sale = action("shop", "sell_badly", &way);
        assert_eq!(brief(&serve(&shop.service, &sale).await), (Failed, code), "{way}");
        assert_eq!(shop.effects_and_rows().await, (0, 0), "{way}");
    }
    let unknown = action("shop", "give_away", &());
    assert_eq!(brief(&serve(&shop.service, &unknown).await), (Failed, "unknown_action"));
    let unreadable = action("shop", "sell_badly", &7);
    assert_eq!(brief(&serve(&shop.service, &unreadable).await), (Failed, "bad_input"));
    let mut expired = sale();
    // By more than what the clocks of the databases tell apart.
    expired.deadline = Timestamp::from_micros(expired.started.as_micros() - 1_000_000);
    assert_eq!(brief(&serve(&shop.service, &expired).await), (Failed, "expired"));
    assert_eq!(shop.effects_and_rows().await, (0, 0));
}

/// Copies of actions and compensations, all at once: whichever wins, no sale stays, none is taken
/// back twice, and all copies of a command hear the same.
async fn action_and_compensation_may_race(url: &str) {
    let shop = Arc::new(Shop::open(url).await);
    let mut copies = Vec::new();
    for saga in 0..SAGAS {
        let sale = sale();
        let undo = undo(&sale, Knowledge::Unknown);
        let both = [(saga, 0, sale), (saga, 1, undo)];
        let mut all: Vec<_> = (0..COPIES).flat_map(|_| both.clone()).collect();
        all.shuffle(&mut rand::rng());
        copies.extend(all);
    }
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut racing = JoinSet::new();
    for (saga, phase, command) in copies {
        let slot = Arc::clone(&slots).acquire_owned().await.unwrap();
        let shop = Arc::clone(&shop);
        racing.spawn(async move {
            let answer = shop.service.handle(&command).await;
            drop(slot);
            (saga, phase, answer)
        });
    }
    let mut heard = vec![[const { None::<Answer> }; 2]; SAGAS];
    for (saga, phase, answer) in racing.join_all().await {
        match &heard[saga][phase] {
            Some(first) => assert_eq!(*first, answer, "saga {saga}, phase {phase}"),
            None => heard[saga][phase] = Some(answer),
        }
    }
    let mut sold = 0;
    for [action, undo] in heard.into_iter().map(|answers| answers.map(Option::unwrap)) {
        let action = testing::read(&action);
        let undone = brief(&testing::read(&undo)) == (Completed, "");
        assert!(undone);
        match brief(&action) {
            (Completed, "") => sold += 1,
            (Rejected, "compensated_already") => {}
            other => panic!("{other:?}"),
        }
    }
    let once = "select count(*) as found from sale where sold = 1 and returned = 1";
    assert_eq!(shop.count(once).await, sold);
    assert_eq!(shop.count("select count(*) as found from sale").await, sold);
    assert!(0 < sold && sold < i64::try_from(SAGAS).unwrap(), "a race that one side won: {sold}");
}

/// Also nulls; and what the database is told, it understands.
async fn values_come_back_as_they_went_in(url: &str) {
    let schema = "create table kept (
        number bigint, word text, flag boolean, id uuid, lacks text, lacks_id uuid)";
    let kept = Participant::new("kept").schema(schema).connect(url).await.unwrap();
    let (number, word, id) = (i64::MIN, "l'été \u{1f980} \"1\"", uuid::Uuid::now_v7());
    let sql = "insert into kept values ($1, $2, $3, $4, $5, $6)";
    let nothing = (None::<String>, None::<uuid::Uuid>);
    testing::run(&kept, sql, &[&number, &word, &true, &id, &nothing.0, &nothing.1]).await;
    let sql = "select * from kept where number = $1 and word = $2 and flag and id = $3";
    let rows = testing::run(&kept, sql, &[&number, &word, &id]).await;
    assert_eq!(rows[0].get::<i64>("number").unwrap(), number);
    assert_eq!(rows[0].get::<String>("word").unwrap(), word);
    assert!(rows[0].get::<bool>("flag").unwrap());
    assert_eq!(rows[0].get::<Option<bool>>("flag").unwrap(), Some(true));
    assert_eq!(rows[0].get::<uuid::Uuid>("id").unwrap(), id);
    assert_eq!(rows[0].get::<Option<String>>("lacks").unwrap(), None);
    assert_eq!(rows[0].get::<Option<uuid::Uuid>>("lacks_id").unwrap(), None);
    assert!(rows[0].get::<String>("lacks").is_err(), "null is no text");
    assert!(rows[0].get::<i64>("word").is_err(), "text is no number");
    let read = "select cast(id as text) as id from kept";
    let read: String = testing::run(&kept, read, &[]).await[0].get("id").unwrap();
    assert_eq!(read, id.to_string(), "for people to read");
}

async fn tables_made_by_other_sql_are_refused(url: &str) {
    let shop = |versions: &[&'static str]| {
        versions.iter().fold(Participant::new("shop"), |shop, sql| shop.schema(sql))
    };
    let (one, two) = ("create table a (n bigint)", "create table b (n bigint)");
    let connect = async |versions: &[&'static str]| {
        shop(versions).connect(url).await.map(drop).map_err(|error| format!("{error:#}"))
    };
    connect(&[one]).await.unwrap();
    connect(&[one, two]).await.unwrap();
    connect(&[one, two]).await.unwrap();
    let older = connect(&[one]).await.unwrap_err();
    let place = url
        .strip_prefix("sqlite:")
        .map_or("schema `shop`".to_owned(), |path| format!("file `{path}`"));
    let newer = format!("{place} has version 2 of `business`, this binary knows 1; run the binary");
    assert!(older.contains(&newer), "{older}");
    let edited = connect(&[two, two]).await.unwrap_err();
    assert!(edited.contains("put changes into a new version"), "{edited}");
}
