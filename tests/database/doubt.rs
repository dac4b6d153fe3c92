//! Commits whose outcome nobody knows, transactions that lose against others, and a participant
//! whose database is away.

use anyhow::{Result, ensure};
use lab::{Direction, Proxy, Who, wait};
use saga_tests::{Load, World, check, check_promised, order, step_of};

use crate::support::{SOON, lines, until_ended};

/// What Postgres answers a commit with.
const COMMITTED: &[u8] = b"COMMIT\0";
/// Enough for all the cuts.
const ORDERS: usize = 250;
/// Cuts on each road.
const CUTS: usize = 6;
/// Commands a participant has in hand at most when its database goes away: those it serves, and
/// those that it takes to see whether the database is back.
const IN_HAND_MAX: usize = 40;
/// Sagas that wait for a participant without a database.
const WAITING: usize = 60;

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_done_once() -> Result<()> {
    let world = World::builder().orchestrators(2).through_proxies().start().await?;
    let load = Load::over(world.system.urls(), ORDERS);
    let roads: Vec<&Proxy> = world.roads.iter().map(|roads| &roads.database).collect();
    let cuts = async {
        for turn in 0..CUTS {
            let moment = ORDERS * turn / (CUTS + 1);
            let what = format!("{moment} orders to end");
            wait::until(&what, SOON, async || (load.ended() >= moment).then_some(())).await?;
            for road in &roads {
                road.cut_before(Direction::ToClient, COMMITTED);
            }
            let sprung = async || roads.iter().all(|road| !road.is_armed()).then_some(());
            wait::until("a commit on every road", SOON, sprung).await?;
        }
        Ok(())
    };
    let (placed, ()) = tokio::try_join!(load.run(), cuts)?;
    for order in &placed {
        assert_eq!(order.saga["status"], order.expected, "{order:?}");
    }
    for member in [&world.system.payment, &world.system.inventory, &world.system.shipping] {
        let doubts = lines(member, "the connection broke while committing")?;
        assert!(doubts >= CUTS, "{} was in doubt {doubts} times", member.name());
    }
    check_promised(&world.db, &load.promised()).await?;
    check(&world.db).await?;
    Ok(())
}

/// Makes one statement in eight on a table fail, each time with another error that goes away when
/// all is begun again.
const LOSING: &str = "
    create sequence public.lost;
    create function public.lose() returns trigger language plpgsql as $$
    begin
        if random() < 0.125 then
            raise exception 'as a test wants it' using errcode =
                (array['40P01', '40001', '55P03', '57014'])[1 + nextval('public.lost') % 4];
        end if;
        return null;
    end $$;
    create trigger lose after insert on saga.journal
        for each statement execute function public.lose();
    create trigger lose after update on saga.saga
        for each statement execute function public.lose();
    create trigger lose after insert on payment.charge
        for each statement execute function public.lose();
    create trigger lose after insert on shipping.shipment
        for each statement execute function public.lose();";

#[tokio::test]
async fn whoever_loses_against_another_transaction_begins_again() -> Result<()> {
    let world = World::start().await?;
    sqlx::raw_sql(LOSING).execute(&world.db).await?;
    let load = Load::new(&world.system.url, 150);
    let placed = load.run().await?;
    for order in &placed {
        assert_eq!(order.saga["status"], order.expected, "{order:?}");
    }
    let lost = world.count("select last_value from public.lost").await?;
    assert!(lost >= 30, "only {lost} statements lost");
    sqlx::raw_sql("drop function public.lose cascade").execute(&world.db).await?;
    check_promised(&world.db, &load.promised()).await?;
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_participant_without_its_database_takes_no_commands() -> Result<()> {
    let world = World::builder().through_proxies().start().await?;
    let payment = Who::Participant("payment", 0);
    let road = &world.roads_of(payment)?.database;
    road.refuse()?;
    road.cut()?;
    let mut ids = Vec::new();
    for number in 0..WAITING {
        ids.push(world.begin("/orders", &order(&format!("waits-{number}"))).await?);
    }
    let member = &world.system.payment;
    let waits = async || (lines(member, "waiting for the database").ok()? >= 3).then_some(());
    wait::until("the participant to wait", SOON, waits).await?;
    let failed = lines(member, "the command failed")?;
    ensure!((1..=IN_HAND_MAX).contains(&failed), "{failed} commands failed");
    let again = lines(member, "the command is taken again")?;
    ensure!(again <= IN_HAND_MAX, "{again} commands were put back");

    road.heal()?;
    for id in &ids {
        let saga = world.until_status(id, "completed").await?;
        let attempts = step_of(&saga, "payment")["attempts"].as_u64();
        assert!(attempts <= Some(3), "{saga:#}");
    }
    until_ended(&world).await?;
    check(&world.db).await?;
    Ok(())
}
