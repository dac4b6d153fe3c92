//! What stands in its way is told, with the way out.

use std::fs;

use anyhow::Result;
use lab::{Folder, free_port, wait};
use saga_tests::Said;
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::net::TcpStream;

use crate::support::{Dev, PATIENCE, binary, definitions};

/// What it says when it cannot start, with its exit status.
fn refusal(folder: &Folder, port: u16, more: &[&str]) -> Result<(Option<i32>, String)> {
    let said = Said::of(&binary(folder, port, more))?;
    Ok((said.code, said.stderr))
}

#[tokio::test]
async fn a_port_or_folder_of_another_is_told_with_the_way_out() -> Result<()> {
    let dev = Dev::start(&[]).await?;
    let taken = dev.url.rsplit(':').next().unwrap_or_default().parse()?;
    let elsewhere = Folder::create()?;
    definitions(&elsewhere)?;
    let (code, said) = refusal(&elsewhere, taken, &[])?;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("cannot listen") && said.contains("--listen"), "{said}");

    let (code, said) = refusal(&dev.folder, free_port()?, &[])?;
    assert_eq!(code, Some(1), "{said}");
    let owner = format!("process {}", dev.member.process().pid());
    assert!(said.contains("is in use by another `saga dev`"), "{said}");
    assert!(said.contains(&owner) && said.contains("--data"), "{said}");
    // Nobody resets what somebody else is using.
    let (code, said) = refusal(&dev.folder, free_port()?, &["--reset"])?;
    assert_eq!(code, Some(1), "{said}");
    assert!(dev.data().join("saga.db").exists());
    Ok(())
}

#[tokio::test]
async fn files_of_a_newer_program_are_left_alone() -> Result<()> {
    let mut dev = Dev::start(&[]).await?;
    dev.end().await?;
    for (name, sql) in [
        ("saga", "pragma user_version = 99"),
        (
            "payment",
            "insert into schema_version (part, version, sha256) values ('business', 99, '')",
        ),
    ] {
        let file = dev.data().join(format!("{name}.db"));
        let before = fs::read(&file)?;
        let mut db = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await?;
        db.execute(sql).await?;
        db.close().await?;
        let (code, said) = refusal(&dev.folder, free_port()?, &[])?;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("version 99") && said.contains("--reset"), "{said}");
        assert!(said.contains(&format!("{name}.db")), "{said}");
        fs::write(&file, before)?;
    }
    dev.restart(&[]).await?;
    Ok(())
}

#[tokio::test]
async fn wrong_usage_is_told_with_the_way_out() -> Result<()> {
    let folder = Folder::create()?;
    definitions(&folder)?;
    fs::write(folder.path().join("file"), "")?;
    let file = folder.path().join("file").display().to_string();
    for (more, words) in [
        (["--without", "paiment"], ["`paiment`", "`payment`, `inventory`, `shipping`"]),
        (["--amqp", "postgres://h/d"], ["`--amqp` begins with `postgres:`", "amqp://user"]),
        (["--defs", "nowhere"], ["nowhere", "--defs"]),
        (["--data", file.as_str()], ["cannot keep anything in", "--data"]),
        (["--data", "what?"], ["a character that is not for files", "--data"]),
    ] {
        let (code, said) = refusal(&folder, free_port()?, &more)?;
        assert!(matches!(code, Some(1 | 2)), "{code:?}: {said}");
        for word in words {
            assert!(said.contains(word), "no `{word}` in {said}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_folder_with_other_files_in_it_is_left_alone() -> Result<()> {
    let folder = Folder::create()?;
    definitions(&folder)?;
    let data = folder.path().join("data");
    fs::create_dir(&data)?;
    fs::write(data.join(".gitignore"), "target\n")?;
    fs::write(data.join("payment.db"), "important")?;
    for more in [&[][..], &["--reset"]] {
        let (code, said) = refusal(&folder, free_port()?, more)?;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("has other files in it") && said.contains("--data"), "{said}");
    }
    assert_eq!(fs::read_to_string(data.join(".gitignore"))?, "target\n");
    assert_eq!(fs::read_to_string(data.join("payment.db"))?, "important");
    assert_eq!(fs::read_dir(&data)?.count(), 2);
    Ok(())
}

#[tokio::test]
async fn told_to_end_while_it_waits_for_a_file_it_does() -> Result<()> {
    let mut dev = Dev::start(&[]).await?;
    dev.end().await?;
    let file = dev.data().join("payment.db");
    let mut holder = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await?;
    holder.execute("begin exclusive").await?;
    dev.launch(&[])?;
    let port = dev.url.rsplit(':').next().unwrap_or_default().to_owned();
    let listens = async || TcpStream::connect(format!("127.0.0.1:{port}")).await.ok();
    wait::until("it to listen", PATIENCE, listens).await?;
    dev.end().await?;
    holder.execute("rollback").await?;
    dev.restart(&[]).await
}
