//! A proxy that loses the answer to a commit, as a network does.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the store sends to commit.
const COMMIT: &[u8] = b"commit\0";

/// Listens on a port of its own and passes everything to `server`, until a commit was sent and
/// answered: that connection is cut instead of passing the answer on. Answers with the port.
pub(crate) async fn losing_commits(server: (&'static str, u16)) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let server = TcpStream::connect(server).await.unwrap();
                // Whoever hangs up ends it.
                let _ = pass(client, server).await;
            });
        }
    });
    port
}

async fn pass(mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let mut is_committing = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let bytes = &asked[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                is_committing |= bytes.windows(COMMIT.len()).any(|window| window == COMMIT);
                server.write_all(bytes).await?;
            }
            read = server.read(&mut answered) => {
                let bytes = &answered[..read?];
                if bytes.is_empty() || is_committing {
                    return Ok(());
                }
                client.write_all(bytes).await?;
            }
        }
    }
}
