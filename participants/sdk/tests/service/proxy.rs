//! A proxy before a database that loses the answers to commits, or everything, as a network does.

use lab::wait;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::support::PATIENCE;

/// What the SDK sends to commit.
const COMMIT: &[u8] = b"commit\0";
/// The most that is passed on at once.
const CHUNK: usize = 65_536;

/// How it is.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    loses_commits: bool,
    is_down: bool,
    /// Commits whose answer was lost.
    lost: usize,
    /// Connections that were cut at once.
    refused: usize,
}

pub(crate) struct Proxy {
    /// The database's URL, by way of us.
    pub(crate) url: String,
    state: watch::Sender<State>,
}

impl Proxy {
    /// Stands before the server of this database.
    pub(crate) async fn before(url: &str) -> Self {
        let (front, path) = url.rsplit_once('/').unwrap();
        let (user, server) = front.rsplit_once('@').unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state: watch::Sender<State> = watch::Sender::default();
        let (ours, server) = (state.clone(), server.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (state, server) = (ours.clone(), server.clone());
                tokio::spawn(async move {
                    if state.borrow().is_down {
                        return state.send_modify(|state| state.refused += 1);
                    }
                    let server = TcpStream::connect(server).await.unwrap();
                    // Whoever hangs up ends it.
                    let _ = pass(client, server, &state).await;
                });
            }
        });
        Self { url: format!("{user}@127.0.0.1:{port}/{path}"), state }
    }

    /// Whether it cuts a connection instead of passing on the answer to a commit.
    pub(crate) fn lose_commits(&self, loses_commits: bool) {
        self.state.send_modify(|state| state.loses_commits = loses_commits);
    }

    /// Whether it cuts every connection, also those there are.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.state.send_modify(|state| state.is_down = is_down);
    }

    /// Waits until so many commits were lost.
    pub(crate) async fn lost(&self, count: usize) {
        self.until("commits to be lost", |state| state.lost >= count).await;
    }

    /// Waits until so many connections were refused.
    pub(crate) async fn refused(&self, count: usize) {
        self.until("connections to be refused", |state| state.refused >= count).await;
    }

    async fn until(&self, what: &str, is_so: impl Fn(&State) -> bool) {
        let found = wait::until(what, PATIENCE, async || is_so(&self.state.borrow()).then_some(()));
        found.await.unwrap();
    }
}

async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    state: &watch::Sender<State>,
) -> std::io::Result<()> {
    let (mut asked, mut answered) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut is_committing = false;
    let mut cut = state.subscribe();
    loop {
        tokio::select! {
            () = down(&mut cut) => return Ok(()),
            read = client.read(&mut asked) => {
                let bytes = &asked[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                is_committing = bytes.windows(COMMIT.len()).any(|window| window == COMMIT);
                server.write_all(bytes).await?;
            }
            read = server.read(&mut answered) => {
                let bytes = &answered[..read?];
                if is_committing && state.borrow().loses_commits {
                    state.send_modify(|state| state.lost += 1);
                    return Ok(());
                }
                if bytes.is_empty() {
                    return Ok(());
                }
                client.write_all(bytes).await?;
            }
        }
    }
}

async fn down(state: &mut watch::Receiver<State>) {
    // The proxy is gone with its test.
    let _ = state.wait_for(|state| state.is_down).await;
}
