//! The admin socket in the data directory: one JSON request a line, one JSON answer a line.
//!
//! Only the server's own user can open it (mode 0600); whoever can, administers the server.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use super::{Failure, Reply, command::AdminCommand};

/// Commands under way at a time.
const CONNECTIONS: usize = 16;
/// Bytes of one request or answer.
const LINE: u64 = 16 * 1024 * 1024;
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(600);

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.sock")
}

/// Does what a command says.
pub trait Execute: Send + Sync + 'static {
    /// Runs one command to its end.
    fn execute(&self, command: AdminCommand) -> impl Future<Output = Result<Reply, Failure>> + Send;
}

/// The bound socket; dropping it removes the file.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Binds the socket. The caller holds the data directory's lock, so a file left behind is stale.
    pub fn bind(data_dir: &Path) -> io::Result<Self> {
        let path = path(data_dir);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Serves until `stop`.
    pub async fn serve(self, execute: Arc<impl Execute>, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let stream = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = stream else { continue };
            let execute = execute.clone();
            tokio::spawn(async move {
                if let Err(e) = answer(stream, &*execute).await {
                    tracing::debug!(error = %e, "admin connection ended");
                }
                drop(place);
            });
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // A missing file is what we want; any other failure leaves a stale file, which the next start removes.
        drop(fs::remove_file(&self.path));
    }
}

async fn answer(stream: UnixStream, execute: &impl Execute) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(LINE));
    tokio::time::timeout(Duration::from_secs(10), read.read_line(&mut line)).await??;
    let result = match serde_json::from_str(&line) {
        Ok(command) => execute.execute(command).await,
        Err(e) => Err(Failure(format!(
            "the server does not know this command, is it of another version? ({e})"
        ))),
    };
    let mut text = serde_json::to_vec(&result)?;
    text.push(b'\n');
    write.write_all(&text).await
}

/// Sends a command to the running server; `None` where none runs.
pub async fn call(data_dir: &Path, command: &AdminCommand) -> Option<Result<Reply, Failure>> {
    let stream = UnixStream::connect(path(data_dir)).await.ok()?;
    let talk = async {
        let (read, mut write) = stream.into_split();
        let mut text = serde_json::to_vec(command)?;
        text.push(b'\n');
        write.write_all(&text).await?;
        let mut line = String::new();
        BufReader::new(read.take(LINE)).read_line(&mut line).await?;
        serde_json::from_str(&line).map_err(io::Error::other)
    };
    let result = match tokio::time::timeout(PATIENCE, talk).await {
        Ok(Ok(result)) => result,
        Ok(Err(e)) => Err(Failure(format!("the server ended the connection: {e}"))),
        Err(_) => Err(Failure("the server did not answer in time".into())),
    };
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    struct Echo;
    impl Execute for Echo {
        async fn execute(&self, command: AdminCommand) -> Result<Reply, Failure> {
            match command {
                AdminCommand::Status => Ok(Reply {
                    text: "up".into(),
                    json: json!({"up": true}),
                }),
                _ => Err(Failure("no".into())),
            }
        }
    }

    #[tokio::test]
    async fn asks_and_answers() {
        let dir = tempfile::tempdir().unwrap();
        assert!(
            call(dir.path(), &AdminCommand::Status).await.is_none(),
            "no server"
        );
        let socket = AdminSocket::bind(dir.path()).unwrap();
        let mode = fs::metadata(path(dir.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let stop = CancellationToken::new();
        let serving = tokio::spawn(socket.serve(Arc::new(Echo), stop.clone()));
        assert_eq!(
            call(dir.path(), &AdminCommand::Status)
                .await
                .unwrap()
                .unwrap()
                .text,
            "up"
        );
        assert_eq!(
            call(dir.path(), &AdminCommand::AccountList)
                .await
                .unwrap()
                .unwrap_err()
                .0,
            "no"
        );
        let mut raw = UnixStream::connect(path(dir.path())).await.unwrap();
        raw.write_all(b"nonsense\n").await.unwrap();
        let mut text = String::new();
        raw.read_to_string(&mut text).await.unwrap();
        assert!(text.contains("does not know"), "{text}");
        stop.cancel();
        serving.await.unwrap();
        assert!(!path(dir.path()).exists());
    }
}
